"""The tool cache: the original design's faults, each as a test, and what it promises instead."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.core.tool_cache import MAX_TTL, MIN_TTL, cache_key, canonical
from outlive.errors import Invalid, TooLarge, Unavailable
from outlive.flows.knowledge.tool_cache import Result, ToolCache
from outlive.flows.sessions.sweep_tenant import sweep_tenant

from .conftest import World


class Tool:
    """Answers, and counts how often it was asked."""

    def __init__(self, answer: bytes = b"sunny") -> None:
        self.answer, self.asked = answer, 0
        self.fault: Exception | None = None

    async def __call__(self) -> bytes:
        self.asked += 1
        await asyncio.sleep(0)
        if self.fault:
            raise self.fault
        return self.answer


def cache_of(world: World, tenant: str = "acme") -> ToolCache:
    """A worker's cache of a tenant."""
    return ToolCache(world.worker().stores(tenant), world.clock)


async def ask(cache: ToolCache, tool: Tool, ttl: float = MIN_TTL, **parameters: Any) -> Result:
    return await cache.call("default", "weather", parameters, tool, ttl=ttl)


@pytest.mark.defect(31)
async def test_reading_does_not_change_what_is_kept(world: World) -> None:
    """After a hundred hits value and time are as they were, and the hits are counted apart."""
    cache, tool = cache_of(world), Tool()
    await ask(cache, tool, city="Bern")
    before = await world.stores.table.read(cache_key("default", "weather", {"city": "Bern"}).record)
    for _ in range(100):
        assert (await ask(cache, tool, city="Bern")).content == b"sunny"
    assert await world.stores.table.read(cache_key("default", "weather", {"city": "Bern"}).record) == before
    assert (tool.asked, await cache.hits_of("default", "weather", {"city": "Bern"})) == (1, 100)


async def test_32_readers_lose_no_count(world: World) -> None:
    """32 workers that hit one entry at once are counted as 32."""
    tool = Tool()
    await ask(cache_of(world), tool, city="Bern")
    await asyncio.gather(*(ask(cache_of(world), tool, city="Bern") for _ in range(32)))
    assert (tool.asked, await cache_of(world).hits_of("default", "weather", {"city": "Bern"})) == (1, 32)


@pytest.mark.defect(40)
@pytest.mark.promise("P9")
async def test_a_tenant_gets_nothing_of_anothers(world: World) -> None:
    """The same call of another tenant is made anew."""
    tool = Tool()
    await ask(cache_of(world), tool, city="Bern")
    assert not (await ask(cache_of(world, "rival"), tool, city="Bern")).is_cached


async def test_the_order_of_names_does_not_matter(world: World) -> None:
    """The same parameters in another order, and 1.0 for 1, are the same call."""
    cache, tool = cache_of(world), Tool()
    await ask(cache, tool, a=1, b={"x": 1, "y": 2})
    assert (await cache.call("default", "weather", {"b": {"y": 2.0, "x": 1}, "a": 1.0}, tool, ttl=MIN_TTL)).is_cached


@pytest.mark.defect(33)
async def test_a_tool_is_invalidated_without_a_scan(world: World) -> None:
    """However many results a tool has, all are forgotten by one read and one write, and other tools keep theirs."""
    cache, tool = cache_of(world), Tool()
    for n in range(20):
        await ask(cache, tool, n=n)
    await cache.call("default", "other", {}, tool, ttl=MIN_TTL)
    await cache.invalidate("default", "weather")
    assert not any([(await ask(cache, tool, n=n)).is_cached for n in range(20)])
    assert (await cache.call("default", "other", {}, tool, ttl=MIN_TTL)).is_cached


async def test_one_call_is_invalidated_by_its_parameters(world: World) -> None:
    """The result for these parameters is forgotten, the others stay."""
    cache, tool = cache_of(world), Tool()
    await ask(cache, tool, n=1)
    await ask(cache, tool, n=2)
    await cache.invalidate("default", "weather", {"n": 1.0})
    assert [(await ask(cache, tool, n=n)).is_cached for n in (1, 2)] == [False, True]


async def test_what_was_asked_before_an_invalidation_is_not_kept_after_it(world: World) -> None:
    """A result that comes back after its tool was invalidated counts for the old time."""
    cache, tool = cache_of(world), Tool(b"old")

    async def slow() -> bytes:
        await cache_of(world).invalidate("default", "weather")
        return b"old"

    await cache.call("default", "weather", {}, slow, ttl=MIN_TTL)
    assert not (await ask(cache, tool)).is_cached


async def test_a_result_runs_out(world: World) -> None:
    """After its time a result is asked for anew, although the table still has the record."""
    cache, tool = cache_of(world), Tool()
    await ask(cache, tool)
    world.clock.advance(MIN_TTL)
    assert not (await ask(cache, tool)).is_cached


async def test_a_5_mb_result_is_the_normal_case(world: World) -> None:
    """A large result is kept as an object of its own, and comes back whole."""
    cache, tool = cache_of(world), Tool(bytes(range(256)) * 20_000)
    await ask(cache, tool)
    again = await ask(cache, tool)
    assert (again.content, again.is_cached) == (tool.answer, True)


@pytest.mark.promise("P8")
async def test_a_damaged_result_is_asked_for_anew(world: World) -> None:
    """A flipped bit in a kept object makes a miss, never a wrong answer."""
    cache, tool = cache_of(world), Tool(b"x" * 20_000)
    await ask(cache, tool)
    (key,) = [key for key in world.server.blobs if "toolcache/" in key]
    data, at = world.server.blobs[key]
    world.server.blobs[key] = (b"y" + data[1:], at)
    assert await ask(cache, tool) == Result(tool.answer, is_cached=False)


async def test_errors_are_never_kept(world: World) -> None:
    """A tool that failed is asked again."""
    cache, tool = cache_of(world), Tool()
    tool.fault = RuntimeError("rate limited")
    with pytest.raises(RuntimeError):
        await ask(cache, tool)
    tool.fault = None
    assert await ask(cache, tool) == Result(b"sunny", is_cached=False)


async def test_who_asks_at_once_asks_once(world: World) -> None:
    """Of 32 identical calls in one process one is made."""
    cache, tool = cache_of(world), Tool()
    results = await asyncio.gather(*(ask(cache, tool, city="Bern") for _ in range(32)))
    assert (tool.asked, {result.content for result in results}) == (1, {b"sunny"})


async def test_a_store_that_is_down_does_not_stop_the_tool(world: World) -> None:
    """Without its table the cache calls the tool every time."""
    cache, tool = cache_of(world), Tool()
    world.server.failure = Unavailable("down")
    assert [(await ask(cache, tool)).content for _ in range(2)] == [b"sunny"] * 2
    assert tool.asked == 2


@pytest.mark.parametrize("parameters", [{"x": float("inf")}, {"x": object()}, {1: "x"}])
async def test_parameters_that_are_not_json_are_refused(world: World, parameters: Any) -> None:
    """What has no canonical form is refused before the tool is called."""
    tool = Tool()
    with pytest.raises(Invalid, match="not JSON"):
        await cache_of(world).call("default", "weather", parameters, tool, ttl=MIN_TTL)
    assert tool.asked == 0


@pytest.mark.parametrize("ttl", [0, MIN_TTL - 1, MAX_TTL + 1])
async def test_a_ttl_out_of_range_is_refused(world: World, ttl: float) -> None:
    """A result is kept for five minutes at least and sixty at most."""
    with pytest.raises(Invalid, match="out of range"):
        await ask(cache_of(world), Tool(), ttl=ttl)


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.booleans() | st.none()))
def test_different_parameters_differ(parameters: dict[str, Any]) -> None:
    """One more name makes another call; true and 1 are not the same."""
    assert canonical(parameters) != canonical({**parameters, "one more": 1})
    assert canonical({**parameters, "x": True}) != canonical({**parameters, "x": 1})


async def test_a_sweep_removes_results_whose_time_is_over(world: World) -> None:
    """The object of a large result and its record go after their time, and not before; hits go after a month."""
    await ask(cache_of(world), Tool(b"x" * 20_000), city="Bern")
    await ask(cache_of(world), Tool(), city="Bern")
    assert (await sweep_tenant(world.worker(), world.stores)).results == 0
    assert (await ask(cache_of(world), Tool(), city="Bern")).content == b"x" * 20_000
    world.clock.advance(4 * 3600)
    assert (await sweep_tenant(world.worker(), world.stores)).results == 1
    left = [key for key in (*world.server.rows, *world.server.blobs) if "tool" in key]
    assert left == [key for key in world.server.rows if "toolhits#" in key]
    world.clock.advance(31 * 86400)
    await sweep_tenant(world.worker(), world.stores)
    assert not [key for key in (*world.server.rows, *world.server.blobs) if "tool" in key]


@pytest.mark.parametrize("odd", ["#", "/", "\0", "\ud800", "😀" * 2500, "a" * 10_000])
async def test_odd_parameters_are_kept_as_they_are(world: World, odd: str) -> None:
    """Separators, NUL, surrogates, emoji and 10 KB are told apart and found again, as name and as value."""
    cache, tool = cache_of(world), Tool()
    for parameters in ({odd: 1}, {"x": odd}):
        first = await cache.call("default", "we#at/her", parameters, tool, ttl=MIN_TTL)
        again = await cache.call("default", "we#at/her", parameters, tool, ttl=MIN_TTL)
        assert (first.is_cached, again.is_cached) == (False, True)
    assert tool.asked == 2


async def test_very_long_parameters_are_not_kept(world: World) -> None:
    """A call with a megabyte of parameters is made each time and writes nothing; to put its result is refused."""
    cache, tool, long = cache_of(world), Tool(), "x" * (1 << 20)
    for _ in range(2):
        assert (await ask(cache, tool, city=long)).content == b"sunny"
    assert (tool.asked, world.server.rows) == (2, {})
    with pytest.raises(TooLarge, match="parameters are too long"):
        await cache.put("default", "weather", {"city": long}, b"sunny", ttl=MIN_TTL)


async def test_who_gives_up_waiting_gives_up_the_call_when_nobody_else_waits(world: World) -> None:
    """Of two who wait one may go; when both have gone the call is ended, and the next one is made anew."""
    cache, tool, ended = cache_of(world), Tool(), asyncio.Event()

    async def slow() -> bytes:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return b""

    waiting = [asyncio.create_task(cache.call("default", "weather", {}, slow, ttl=MIN_TTL)) for _ in range(2)]
    for task in waiting:
        await asyncio.sleep(0.01)
        assert not ended.is_set()
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert (await cache.call("default", "weather", {}, tool, ttl=MIN_TTL)).content == b"sunny"
    assert ended.is_set()
