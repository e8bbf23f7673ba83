"""32 writers at once against one state object, one cached result and one record of statistics, on each database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from outlive.clock import SystemClock
from outlive.core.keys import SessionId
from outlive.core.messages import Inbound
from outlive.core.statistics import Figures
from outlive.flows.engine import Engine
from outlive.flows.knowledge.change_state import patch_state, read_state, state_history
from outlive.flows.knowledge.tool_cache import ToolCache
from outlive.flows.limits.statistics import flush_statistics, read_statistics
from outlive.flows.run_turn import Turn, run_turn
from outlive.memory.objects import MemoryObjects
from outlive.memory.table import MemoryTable
from outlive.postgres.table import PostgresTable
from outlive.protocols import Table
from outlive.sqlite.table import SqliteTable
from tests.servers import PostgresPlace

from .conftest import KEY, TENANT, make_engine

WRITERS = 32
FACTS = {f"fact{number}": number for number in range(WRITERS)}


class Hurried(SystemClock):
    """Time as it is, but for short waits."""

    async def sleep(self, seconds: float) -> None:
        """A twentieth of it."""
        await super().sleep(seconds / 20)


async def _open(kind: str, place: Path) -> Table:
    match kind:
        case "sqlite":
            return await SqliteTable.open(place / "outlive.db")
        case "postgres":
            return await PostgresTable.open(PostgresPlace(place).url)
    return MemoryTable()


@pytest_asyncio.fixture(params=["memory", "sqlite", "postgres"])
async def engines(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[list[Engine]]:
    """32 workers on one table."""
    table, clock = await _open(request.param, tmp_path), Hurried()
    objects = MemoryObjects(clock=clock)
    yield [
        make_engine(tmp_path, f"w{number}", table=table, objects=objects, clock=clock)  # type: ignore[arg-type]
        for number in range(WRITERS)
    ]
    await table.close()


async def test_no_update_of_the_state_is_lost(engines: list[Engine]) -> None:
    """32 patches made for the same version all count, each is one version, and the history replays every one."""
    first, stores = engines[0], engines[0].stores(TENANT)
    turn = await run_turn(first, Inbound(KEY, "m1", "hello", first.clock.now()))
    assert isinstance(turn, Turn)
    session = SessionId(turn.session_id)

    async def patch(engine: Engine, name: str) -> None:
        fact = {"extracted_context": {name: FACTS[name]}}
        await patch_state(engine, engine.stores(TENANT), session, fact, by=name, expected=0, wait_seconds=60)

    await asyncio.gather(*map(patch, engines, FACTS))
    assert (await read_state(first, stores, session)).document["extracted_context"] == FACTS
    history = await state_history(first, stores, session)
    assert [change.version for change in history] == list(range(1, WRITERS + 1))
    assert {change.by for change in history} == FACTS.keys()


async def test_no_count_of_a_cached_result_is_lost(engines: list[Engine]) -> None:
    """32 workers that use one result at once, and put it at once, are 32 uses of one whole entry."""
    caches = [ToolCache(engine.stores(TENANT), engine.clock, engine.tally) for engine in engines]
    await asyncio.gather(*(cache.put("default", "weather", {"city": "Bern"}, b"sunny", ttl=300) for cache in caches))
    found = await asyncio.gather(*(cache.get("default", "weather", {"city": "Bern"}) for cache in caches))
    assert found == [b"sunny"] * WRITERS
    stats = await caches[0].stats("default", "weather")
    assert (stats.entries, stats.bytes, stats.hits) == (1, 5, WRITERS)
    await asyncio.gather(*map(flush_statistics, engines))
    counted = (await read_statistics(engines[0], engines[0].stores(TENANT))).figures
    assert counted == Figures(cache_entries=1, cache_bytes=5, cache_hits=WRITERS)
