"""Where the audit log begins and ends, as the table knows it: what is missing at either end is found out."""

from __future__ import annotations

import json
from contextlib import suppress

from outlive.core.audit_chain import Tail
from outlive.errors import Conflict
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Absent, At, Expected, Keep, Row

TAIL = "archive/tail"
ANCHOR = "archive/anchor"
"""The last segment that retention has removed: the first one left follows it."""


async def recorded_tail(engine: Engine, stores: TenantStores) -> Tail:
    """The newest segment that somebody recorded; there may be newer ones."""
    return await _recorded(engine, stores, TAIL)


async def recorded_anchor(engine: Engine, stores: TenantStores) -> Tail:
    """What the first segment follows; number 0 while nothing was ever cut off."""
    return await _recorded(engine, stores, ANCHOR)


async def record_tail(engine: Engine, stores: TenantStores, tail: Tail) -> None:
    """So that the next append finds the end, and a chain that was cut is found out. Somebody who is further on wins."""
    await _record(engine, stores, TAIL, tail)


async def record_anchor(engine: Engine, stores: TenantStores, anchor: Tail) -> None:
    """What lies before it may go from now on. Somebody who is further on wins."""
    await _record(engine, stores, ANCHOR, anchor)


async def write_end(engine: Engine, stores: TenantStores, key: str, row: Row | None, body: bytes) -> None:
    """One conditional write over what was read; if another one has written it, that one counts."""
    expected: Expected = Absent() if row is None else At(row.version, row.fence)

    async def write() -> None:
        await stores.table.write(key, body, expected=expected, lease=Keep(), expires_at=None)

    with suppress(Conflict):  # another one has written it, or our own unanswered try has
        await retrying(write, engine.clock)


async def _recorded(engine: Engine, stores: TenantStores, key: str) -> Tail:
    row = await retrying(lambda: stores.table.read(key), engine.clock)
    return Tail(**json.loads(row.body)) if row else Tail()


async def _record(engine: Engine, stores: TenantStores, key: str, tail: Tail) -> None:
    row = await retrying(lambda: stores.table.read(key), engine.clock)
    if row is None or json.loads(row.body)["number"] < tail.number:
        body = json.dumps({"number": tail.number, "digest": tail.digest}).encode()
        await write_end(engine, stores, key, row, body)
