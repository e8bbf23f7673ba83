"""What was done to sessions by whom: records that are only ever added."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial

from outlive.core.keys import Tenant, parse_session_key
from outlive.errors import Corrupt, Invalid
from outlive.flows.engine import Engine
from outlive.flows.list_all import scan_all
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Absent, Free

AUDIT = "audit/"
AUDIT_TTL = 400 * 86400.0
AHEAD = 3600.0
"""Seconds that the clock of whoever wrote an entry may be ahead of ours."""
FIRST_STRIDE = 3600.0 * 8
PAGE = 200


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


def tenant_named(session_key: str, otherwise: Tenant) -> Tenant:
    """The tenant in whose audit a deed belongs: that of its session key, where it is one."""
    try:
        return parse_session_key(session_key, tenant=otherwise).tenant if session_key else otherwise
    except Invalid:
        return otherwise


async def read_audit(engine: Engine, stores: TenantStores) -> list[AuditEntry]:
    """All entries of the tenant, oldest first."""
    return [_entry(row.body, row.key) for row in await scan_all(stores.table, AUDIT, engine.clock)]


async def audit_page(
    engine: Engine, stores: TenantStores, *, before: float | None, limit: int
) -> tuple[list[AuditEntry], float | None]:
    """The newest entries, of those before a time; and the time before which there are more.

    Keys sort by time and are read upwards only: so it looks back in strides, each eight times as long as the one
    before, until there are enough. Entries of the very same moment are never on two pages.
    """
    end = engine.clock.now() + AHEAD if before is None else before
    found: list[AuditEntry] = []
    page: list[AuditEntry] = []
    stride, start = FIRST_STRIDE, end
    while len(page) == len(found) and start > end - AUDIT_TTL - AHEAD:
        start, below = max(end - stride, 0.0), start
        found = [*await _between(engine, stores, start, below), *found]
        page = [entry for entry in found if entry.at >= found[-limit].at] if len(found) > limit else found
        stride *= 8
    return page[::-1], page[0].at if len(page) < len(found) else None


async def _between(engine: Engine, stores: TenantStores, start: float, end: float) -> list[AuditEntry]:
    """From `start` on, and before `end`; oldest first."""
    found: list[AuditEntry] = []
    after, last = f"{AUDIT}{start:017.6f}", f"{AUDIT}{end:017.6f}"
    while rows := await retrying(partial(stores.table.scan, AUDIT, after=after, limit=PAGE), engine.clock):
        found += [_entry(row.body, row.key) for row in rows if row.key < last]
        after = rows[-1].key
        if after >= last:
            break
    return found


def _entry(body: bytes, name: str) -> AuditEntry:
    try:
        return AuditEntry(**json.loads(body))
    except (ValueError, TypeError) as error:
        raise Corrupt(f"record {name} cannot be read.", fix="Look at it in the table.") from error
