"""The small records beside a session's head, and those whose time is over."""

from __future__ import annotations

from outlive.core.controls import STOPS, stop_key
from outlive.core.keys import SessionId
from outlive.core.links import LINKS, TRIES
from outlive.core.live import LIVE, live_key
from outlive.core.outbox import UNDELIVERED
from outlive.core.tool_cache import HITS, RESULTS
from outlive.core.turns import CLOCK_MARGIN
from outlive.flows.access.idempotency import REQUESTS
from outlive.flows.delivery.audit import AUDIT
from outlive.flows.engine import Engine
from outlive.flows.list_all import scan_all
from outlive.flows.retry import retrying
from outlive.flows.sessions.scan_mappings import remove_row
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Row

EXPIRING = (STOPS, LIVE, UNDELIVERED, LINKS, TRIES, AUDIT, RESULTS, HITS, REQUESTS)


async def session_notes(engine: Engine, stores: TenantStores, session_id: SessionId) -> list[Row]:
    """What lies beside the head of one session."""
    rows = await scan_all(stores.table, f"{UNDELIVERED}{session_id}/", engine.clock)
    for key in (stop_key(session_id), live_key(session_id)):
        row = await retrying(lambda key=key: stores.table.read(key), engine.clock)  # type: ignore[misc]
        rows += [row] if row else []
    return rows


async def sweep_notes(engine: Engine, stores: TenantStores) -> int:
    """Remove the tenant's records whose time is over; how many."""
    removed = 0
    for prefix in EXPIRING:
        for row in await scan_all(stores.table, prefix, engine.clock):
            if row.expires_at is not None and row.expires_at + CLOCK_MARGIN <= engine.clock.now():
                removed += await remove_row(engine, stores, row)
    return removed
