"""The record of what a tenant's sessions spend together, changed by compare-and-set; see `core.spending`."""

from __future__ import annotations

from collections.abc import Callable

from outlive.core.keys import SPENDING_KEY, head_key
from outlive.core.quotas import Quotas, Refusal
from outlive.core.sessions import decode_head
from outlive.core.spending import (
    Claim,
    Entry,
    Full,
    Granted,
    Spending,
    catch_up,
    decode_spending,
    drop,
    encode_spending,
    leave,
    reserve,
    settle,
)
from outlive.flows.change_record import change_record
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores


async def reserve_when_free(
    engine: Engine, stores: TenantStores, claim: Claim, quotas: Quotas
) -> Granted | Full | Refusal:
    """Put the turn into the record if it may run; where the record is full, entries of dead workers make room."""
    found = await _reserve(engine, stores, claim, quotas)
    if isinstance(found, Full) and await _drop_dead(engine, stores, claim):
        found = await _reserve(engine, stores, claim, quotas)
    return found


async def count(engine: Engine, stores: TenantStores, claim: Claim) -> None:
    """Count what the turn's session has cost by now, and free its place."""
    await _change(engine, stores, lambda spending: settle(spending, claim, engine.clock.now()))


async def free_place(engine: Engine, stores: TenantStores, claim: Claim) -> None:
    """Free the place of a turn that has failed."""
    await _change(engine, stores, lambda spending: leave(spending, claim))


async def count_left(engine: Engine, stores: TenantStores, claim: Claim) -> None:
    """Count what earlier holders of a session have left uncounted."""
    await _change(engine, stores, lambda spending: catch_up(spending, claim, engine.clock.now()))


async def _drop(engine: Engine, stores: TenantStores, claim: Claim) -> None:
    """Count what a dead worker's session has cost by now, and free its place."""
    await _change(engine, stores, lambda spending: drop(spending, claim, engine.clock.now()))


async def _change(engine: Engine, stores: TenantStores, change: Callable[[Spending], Spending]) -> None:
    def decide(body: bytes | None) -> tuple[bytes | None, None]:
        before = decode_spending(body, SPENDING_KEY)
        after = change(before)
        return (encode_spending(after) if after != before else None), None

    await change_record(stores.table, SPENDING_KEY, engine.clock, decide)


async def read_spending(engine: Engine, stores: TenantStores) -> Spending:
    """The record as it is now."""
    row = await retrying(lambda: stores.table.read(SPENDING_KEY), engine.clock)
    return decode_spending(row.body if row else None, SPENDING_KEY)


async def _reserve(engine: Engine, stores: TenantStores, claim: Claim, quotas: Quotas) -> Granted | Full | Refusal:
    def decide(body: bytes | None) -> tuple[bytes | None, Granted | Full | Refusal]:
        found = reserve(decode_spending(body, SPENDING_KEY), claim, quotas, engine.clock.now())
        return (encode_spending(found.spending) if isinstance(found, Granted) else None), found

    return await change_record(stores.table, SPENDING_KEY, engine.clock, decide)


async def _drop_dead(engine: Engine, stores: TenantStores, claim: Claim) -> bool:
    """Count and free the entries whose lease has ended without them; whether there were any."""
    spending = await read_spending(engine, stores)
    doubtful = [e for e in spending.running if e.until <= engine.clock.now() and e.session_id != claim.session_id]
    dead = [found for entry in doubtful if (found := await _if_dead(engine, stores, entry))]
    for each in dead:
        await _drop(engine, stores, each)
    return bool(dead)


async def _if_dead(engine: Engine, stores: TenantStores, entry: Entry) -> Claim | None:
    """The lease in the session's head is the truth: only while it is held under this fence does the turn run.

    Of a session that is gone nothing more can be counted.
    """
    row = await retrying(lambda: stores.table.read(head_key(entry.session_id)), engine.clock)
    if row is None:
        return Claim(entry.session_id, entry.fence, entry.until, entry.counted)
    if row.fence == entry.fence and row.owner is not None and row.until > engine.clock.now():
        return None
    usd = decode_head(row.body, row.key).summary.usd
    return Claim(entry.session_id, entry.fence, entry.until, usd)
