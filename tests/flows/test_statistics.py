"""Statistics that are kept up to date beside the turns, and set right by a sweep."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outlive.core.keys import SessionId
from outlive.core.statistics import STATISTICS_KEY, Figures
from outlive.flows.delivery.tend import tend_once
from outlive.flows.engine import Engine
from outlive.flows.knowledge.tool_cache import ToolCache
from outlive.flows.limits.statistics import flush_statistics, read_statistics
from outlive.flows.run_turn import Turn, run_turn
from outlive.flows.sessions.erase_many import erase_tenant
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.sessions.fork_session import fork_session
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.testing.faults import ErrorBefore, LostReply, Plan, every, on

from .conftest import World


async def shown(world: World) -> Figures:
    """What is stored."""
    return (await read_statistics(world.worker(), world.stores)).shown


async def counted_anew(world: World) -> Figures:
    """What a sweep finds."""
    await sweep_tenant(world.worker("sweeper"), world.stores)
    return await shown(world)


async def at_work(world: World, engine: Engine) -> SessionId:
    """Two turns and a fork, on this engine."""
    for text in ("hello", "again"):
        turn = await run_turn(engine, world.inbound(text))
        assert isinstance(turn, Turn)
    await fork_session(engine, world.stores, SessionId(turn.session_id))
    return SessionId(turn.session_id)


@pytest.mark.defect(34)
async def test_what_is_kept_up_to_date_is_what_a_count_finds(world: World) -> None:
    """Sessions, turns, money and bytes after turns, a fork and an erase equal those of a sweep."""
    engine = world.worker()
    session = await at_work(world, engine)
    await flush_statistics(engine)
    before = await shown(world)
    assert (before.sessions, before.turns, before.bytes > 0) == (2, 4, True)
    assert before == await counted_anew(world)
    world.clock.advance(1)
    await erase_session(engine, world.stores, session, force=True)
    await flush_statistics(engine)
    after = await shown(world)
    assert (after.sessions, after) == (1, await counted_anew(world))


async def test_a_turn_makes_no_request_for_them(world: World) -> None:
    """The record is written by a flush and by nothing else."""
    await at_work(world, world.worker())
    assert not [key for key in world.server.rows if STATISTICS_KEY in key]


async def test_a_worker_flushes_once_a_minute(world: World) -> None:
    """A round of tending stores nothing before a minute has passed, and everything then."""
    engine = world.worker()
    await tend_once(engine)
    await at_work(world, engine)
    await tend_once(engine)
    assert await shown(world) == Figures()
    world.clock.advance(61)
    await tend_once(engine)
    assert (await shown(world)).sessions == 2


async def test_a_flush_without_an_answer_is_added_once(world: World) -> None:
    """A record that was written though the reply was lost is not written again."""
    engine = world.worker("w1")
    await at_work(world, engine)
    unlucky = world.worker("w2", Plan(on("table.write", LostReply()), clock=world.clock))
    unlucky.tally.put_back("acme", engine.tally.take()["acme"])
    await flush_statistics(unlucky)
    assert (await shown(world)).turns == 4


async def test_a_table_that_is_down_loses_nothing(world: World) -> None:
    """A flush that fails keeps what it had for the next one."""
    engine = world.worker("w1")
    await at_work(world, engine)
    down = world.worker("w2", Plan(every("table", ErrorBefore()), clock=world.clock))
    down.tally.put_back("acme", engine.tally.take()["acme"])
    await flush_statistics(down)
    engine.tally.put_back("acme", down.tally.take()["acme"])
    await flush_statistics(engine)
    assert (await shown(world)).turns == 4


async def test_what_a_dead_worker_had_counted_is_counted_by_the_next_sweep(world: World) -> None:
    """Without any flush a sweep finds all of it, and a late flush adds nothing that was counted."""
    engine = world.worker()
    await at_work(world, engine)
    assert (await counted_anew(world)).turns == 4
    await flush_statistics(engine)
    assert (await shown(world)).turns == 4


async def test_the_tool_cache_is_counted(world: World) -> None:
    """Entries, bytes, hits and misses; what is invalidated is taken off, and a sweep keeps hits and misses."""
    engine = world.worker()
    cache = ToolCache(world.stores, engine.clock, engine.tally)

    async def call() -> bytes:
        return b"sunny"

    for city in ("Bern", "Bern", "Rome"):
        await cache.call("default", "weather", {"city": city}, call, ttl=300)
    await cache.invalidate("default", "weather", {"city": "Rome"})
    await flush_statistics(engine)
    expected = Figures(cache_entries=1, cache_bytes=5, cache_hits=1, cache_misses=2)
    assert (await shown(world), await counted_anew(world)) == (expected, expected)


async def test_an_erased_tenant_has_none(world: World) -> None:
    """What was counted of a tenant that is erased is forgotten with it."""
    engine = world.worker()
    await at_work(world, engine)
    await flush_statistics(engine)
    await erase_tenant(engine, world.stores, force=True)
    await flush_statistics(engine)
    assert not world.server.rows


@pytest.mark.parametrize("body", [b"{", b"[1, 2, 3, 4]", b"[1, {}, 0, 7]"])
async def test_a_damaged_record_is_counted_anew(world: World, body: bytes) -> None:
    """A sweep replaces what nobody can read."""
    await at_work(world, world.worker())
    await counted_anew(world)
    row = world.server.rows[f"acme/{STATISTICS_KEY}"]
    world.server.rows[f"acme/{STATISTICS_KEY}"] = replace(row, body=body)
    assert (await counted_anew(world)).turns == 4
