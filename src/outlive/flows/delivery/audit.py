"""What was done to sessions by whom: records that are only ever added."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from outlive.errors import Corrupt
from outlive.flows.engine import Engine
from outlive.flows.list_all import scan_all
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Absent, Free

AUDIT = "audit/"
AUDIT_TTL = 400 * 86400.0


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One deed."""

    at: float
    what: str
    """Such as `link.redeemed`."""
    session_key: str
    session_id: str
    by: str
    """Who did it: a channel's sender, or a worker's name for the command line."""
    details: Mapping[str, str]


async def note_deed(engine: Engine, stores: TenantStores, entry: AuditEntry) -> None:
    """Add it; the key sorts by time. A retry may note it twice, never not at all."""
    body = json.dumps(asdict(entry)).encode()

    async def write() -> None:
        key = f"{AUDIT}{entry.at:017.6f}-{engine.new_id()[-8:]}"
        await stores.table.write(key, body, expected=Absent(), lease=Free(), expires_at=entry.at + AUDIT_TTL)

    await retrying(write, engine.clock)


async def read_audit(engine: Engine, stores: TenantStores) -> list[AuditEntry]:
    """All entries of the tenant, oldest first."""
    return [_entry(row.body, row.key) for row in await scan_all(stores.table, AUDIT, engine.clock)]


async def audit_page(
    engine: Engine, stores: TenantStores, *, before: float | None, limit: int
) -> tuple[list[AuditEntry], float | None]:
    """The newest entries, of those before a time; and the time before which there are more."""
    entries = [entry for entry in await read_audit(engine, stores) if before is None or entry.at < before]
    page = entries[-limit:]
    return page[::-1], page[0].at if len(page) < len(entries) else None


def _entry(body: bytes, name: str) -> AuditEntry:
    try:
        return AuditEntry(**json.loads(body))
    except (ValueError, TypeError) as error:
        raise Corrupt(f"record {name} cannot be read.", fix="Look at it in the table.") from error
