"""The tenants' statistics: brought up to date beside the turns, and counted anew by a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from outlive.core.sessions import decode_head
from outlive.core.statistics import (
    STATISTICS_KEY,
    Change,
    Figures,
    Statistics,
    counted_anew,
    decode_statistics,
    encode_statistics,
    of_head,
    with_changes,
)
from outlive.core.tool_cache import RESULTS, decode_cached
from outlive.errors import Corrupt, Unavailable
from outlive.flows.change_record import change_record
from outlive.flows.engine import Engine
from outlive.flows.list_all import scan_all
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Row


async def read_statistics(engine: Engine, stores: TenantStores) -> Statistics:
    """The record, with what this process has not stored yet left out: one read."""
    row = await retrying(lambda: stores.table.read(STATISTICS_KEY), engine.clock)
    return decode_statistics(row.body if row else None)


async def flush_when_due(engine: Engine) -> None:
    """Store what has happened, at most every `policy.statistics_seconds`."""
    tally, now = engine.tally, engine.clock.now()
    if tally.flushed_at is None:
        tally.flushed_at = now
    elif tally.flushed_at + engine.policy.statistics_seconds <= now:
        await flush_statistics(engine)


async def flush_statistics(engine: Engine) -> None:
    """Store what has happened in this process: a read and a write for each tenant that had something happen.

    What cannot be stored now is tried again with the next flush; nobody is kept from anything by it.
    """
    engine.tally.flushed_at = engine.clock.now()
    for tenant, changes in engine.tally.take().items():
        decide = partial(_flushed, flush=engine.new_id(), changes=changes)
        try:
            await change_record(engine.stores(tenant).table, STATISTICS_KEY, engine.clock, decide)
        except (Unavailable, Corrupt):
            engine.tally.put_back(tenant, changes)


def _flushed(body: bytes | None, *, flush: str, changes: Sequence[Change]) -> tuple[bytes | None, None]:
    before = decode_statistics(body)
    after = with_changes(before, flush, changes)
    return (None if after == before else encode_statistics(after)), None


async def count_anew(engine: Engine, stores: TenantStores, heads: list[Row], at: float) -> None:
    """Set the record right by the heads that were read at `at`, and by the results of tools that are there."""
    found = Figures()
    for row in heads:
        with suppress(Corrupt):  # told by the sweep itself
            found += of_head(decode_head(row.body, row.key))
    for row in await scan_all(stores.table, RESULTS, engine.clock):
        with suppress(Corrupt):
            found += Figures(cache_entries=1, cache_bytes=decode_cached(row.body, row.key).size)

    def decide(body: bytes | None) -> tuple[bytes | None, None]:
        with suppress(Corrupt):
            return encode_statistics(counted_anew(decode_statistics(body), found, at)), None
        return encode_statistics(counted_anew(Statistics(), found, at)), None

    await change_record(stores.table, STATISTICS_KEY, engine.clock, decide)
