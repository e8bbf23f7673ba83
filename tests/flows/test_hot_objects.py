"""The hot tier: what it saves, and that it is never believed more than the store behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from outlive.errors import NotFound
from outlive.flows.run_turn import run_turn
from outlive.flows.turn.hot_objects import KEEP_SECONDS, MAX_BYTES, PAUSE_SECONDS, HotObjects
from outlive.memory.hot_cache import MemoryHotCache
from outlive.memory.objects import MemoryObjects
from outlive.redis.hot_cache import RedisHotCache
from outlive.testing.counting import Counts, counting
from outlive.testing.faults import ErrorBefore, Plan, every, faulty
from tests.servers import RedisServer

from .conftest import StillClock, World, make_engine


class Tiers:
    """A store, a cache of it, and what was asked of both."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.counts = Counts()
        self.store = MemoryObjects(clock=self.clock)
        self.cache = MemoryHotCache(clock=self.clock)
        self.objects = HotObjects(counting(self.store, self.counts, "objects"), self.cache, self.clock)

    @property
    def gets(self) -> int:
        return self.counts.calls["objects.get"]


async def test_what_was_written_is_read_near_at_hand() -> None:
    """An object that was put through the tier is read without a request to the store."""
    tiers = Tiers()
    await tiers.objects.put("k", b"v")
    assert (await tiers.objects.get("k"), tiers.gets, tiers.objects.hits) == (b"v", 0, 1)


async def test_what_was_read_is_kept() -> None:
    """A second read costs the store nothing; after 15 minutes it does again."""
    tiers = Tiers()
    await tiers.store.put("k", b"v")
    assert [await tiers.objects.get("k") for _ in range(3)] == [b"v"] * 3
    assert tiers.gets == 1
    tiers.clock.advance(KEEP_SECONDS)
    assert (await tiers.objects.get("k"), tiers.gets) == (b"v", 2)


async def test_large_objects_are_not_copied() -> None:
    """An object over the limit is read from the store each time."""
    tiers = Tiers()
    await tiers.objects.put("k", bytes(MAX_BYTES + 1))
    await tiers.objects.get("k")
    assert tiers.gets == 1


@pytest.mark.defect(55)
@pytest.mark.promise("P8")
@pytest.mark.parametrize("stored", [b"", b"short", b"x" * 40])
async def test_a_damaged_copy_counts_as_missing(stored: bytes) -> None:
    """Whatever lies in the cache, what is returned are the store's bytes."""
    tiers = Tiers()
    await tiers.store.put("k", b"right")
    await tiers.cache.put("k", stored, seconds=60)
    assert await tiers.objects.get("k") == b"right"


@pytest.mark.promise("P8")
async def test_another_objects_copy_counts_as_missing() -> None:
    """A copy that lies under another object's key is not taken for it."""
    tiers = Tiers()
    await tiers.objects.put("a", b"of a")
    await tiers.store.put("b", b"of b")
    copy = await tiers.cache.get("a")
    assert copy is not None
    await tiers.cache.put("b", copy, seconds=60)
    assert await tiers.objects.get("b") == b"of b"


async def test_a_cache_that_is_down_costs_one_call() -> None:
    """After a failure the cache is left alone for a while, then asked again."""
    tiers = Tiers()
    plan = Plan(every("hot.get", ErrorBefore()), clock=tiers.clock)
    objects = HotObjects(tiers.store, faulty(tiers.cache, plan, "hot"), tiers.clock)
    await tiers.store.put("k", b"v")
    assert [await objects.get("k") for _ in range(5)] == [b"v"] * 5
    assert objects.failures == 1
    tiers.clock.advance(PAUSE_SECONDS)
    await objects.get("k")
    assert objects.failures == 2


@pytest.mark.promise("P10")
async def test_what_is_deleted_is_gone_from_both() -> None:
    """A deleted object does not come back from the cache."""
    tiers = Tiers()
    await tiers.objects.put("k", b"v")
    await tiers.objects.delete(["k"])
    assert await tiers.cache.get("k") is None
    with pytest.raises(NotFound):
        await tiers.objects.get("k")


async def test_a_cold_turn_reads_nothing_from_the_store(tmp_path: Path) -> None:
    """A second worker with a shared hot cache restores a session without one request to the object store."""
    tiers = Tiers()
    first = make_engine(tmp_path, "w1", objects=tiers.objects, clock=tiers.clock)
    world = World(tmp_path)
    world.clock = tiers.clock
    await run_turn(first, world.inbound("hello"))
    second = make_engine(tmp_path, "w2", table=first.table, objects=tiers.objects, clock=tiers.clock)
    before = tiers.gets
    await run_turn(second, world.inbound("again"))
    assert tiers.gets == before


@pytest.mark.defect(54)
async def test_a_redis_that_dies_and_comes_back_changes_no_answer(tmp_path: Path) -> None:
    """With the server killed between reads the store answers; started again, it is used again."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    tiers = Tiers()
    cache = await RedisHotCache.open(server.url)
    objects = HotObjects(tiers.store, cache, tiers.clock)
    await objects.put("k", b"v")
    assert (await objects.get("k"), objects.hits) == (b"v", 1)
    server.kill()
    assert (await objects.get("k"), objects.failures) == (b"v", 1)
    server.start()
    tiers.clock.advance(PAUSE_SECONDS)
    assert [await objects.get("k"), await objects.get("k")] == [b"v", b"v"]
    assert objects.hits == 2
    await cache.close()
    server.close()
