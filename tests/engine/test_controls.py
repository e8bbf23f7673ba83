"""Stop, new and status take effect round the queue, while a turn runs."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import pytest_asyncio

from outlive.core.sessions import Pending
from outlive.errors import NotFound
from outlive.flows.deliver_reply import reply_of
from outlive.flows.delivery.control_session import Stopping, new_session, session_status, stop_session
from outlive.flows.run_turn import run_turn
from outlive.flows.turn.find_session import find_session
from tests.engine.conftest import KEY
from tests.engine.held import HeldAgent
from tests.engine.queued import post, work


@pytest_asyncio.fixture
async def agent(world) -> HeldAgent:
    """The world's agent, whose turns last."""
    world.agent = HeldAgent()
    return world.agent


@asynccontextmanager
async def running(world, text="long", name="w1"):
    """A turn that runs until the block ends."""
    engine = world.worker(name)
    turn = asyncio.create_task(run_turn(engine, world.message(text)))
    await world.agent.begun.wait()
    try:
        yield engine, turn
    finally:
        world.agent.go.set()
        await asyncio.gather(turn, return_exceptions=True)


async def test_a_stop_in_the_same_process_is_immediate(world, agent) -> None:
    """A stop in the worker's own process interrupts the turn without any write, and what there is is committed."""
    async with running(world) as (engine, turn):
        writes = world.counts.table_writes
        assert await stop_session(engine, KEY) is Stopping.ASKED
        assert world.counts.table_writes == writes
        line = (await turn).line
    assert (line.stop_reason, line.reply) == ("interrupted", "Message 1: long")
    assert [reply.stop_reason for reply in world.inbox.replies] == ["interrupted"]


async def test_a_stop_from_another_process_is_seen_within_a_tick(world, agent) -> None:
    """A stop given to another process costs one write, and interrupts the turn at the worker's next look."""
    async with running(world) as (_, turn):
        writes = world.counts.table_writes
        assert await stop_session(world.worker("intake"), KEY) is Stopping.ASKED
        assert world.counts.table_writes == writes + 1
        await world.clock.let_pass(2.6)
        assert (await asyncio.wait_for(turn, 5)).line.stop_reason == "interrupted"


async def test_a_running_turn_reads_the_table_once_per_tick(world, agent) -> None:
    """In ten seconds of a turn the stop is looked for four times at most."""
    async with running(world):
        reads = world.counts.table_reads
        await world.clock.let_pass(10)
        assert 1 <= world.counts.table_reads - reads <= 4


async def test_a_stop_with_nothing_running_says_so(world, agent) -> None:
    """Without a session, or with an idle one, a stop says that nothing runs, and writes nothing."""
    agent.go.set()
    engine = world.worker()
    assert await stop_session(engine, KEY) is Stopping.IDLE
    await world.turn(engine, "one")
    writes = world.counts.table_writes
    assert await stop_session(engine, KEY) is Stopping.IDLE
    assert world.counts.table_writes == writes


async def test_a_stop_kills_no_later_turn(world, agent) -> None:
    """A stop that comes too late for its turn leaves the next turn alone."""
    async with running(world, "first"):
        await stop_session(world.worker("intake"), KEY)
    agent.go.clear()
    agent.begun.clear()
    async with running(world, "second") as (_, turn):
        await world.clock.let_pass(8)
        assert not turn.done()
    assert (await turn).line.stop_reason == "end_turn"


async def test_a_stop_holds_when_its_worker_dies(world, agent) -> None:
    """The turn of a worker that died after the stop was asked for is stopped by the one that finishes it."""
    async with running(world) as (_, turn):
        await world.clock.let_pass(5)
        await stop_session(world.worker("intake"), KEY)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        agent.begun.clear()
        world.clock.advance(31)
        again = asyncio.create_task(run_turn(world.worker("w2"), world.message("long")))
        await agent.begun.wait()
        await world.clock.let_pass(3)
        assert (await asyncio.wait_for(again, 5)).line.stop_reason == "interrupted"


async def test_new_takes_effect_while_a_turn_runs(world, agent) -> None:
    """After /new the key has a fresh session at once; the running turn ends in the old one and still answers."""
    async with running(world) as (engine, turn):
        old = await find_session(engine, engine.stores("acme"), KEY)
        new = await new_session(world.worker("intake"), KEY)
        assert await find_session(engine, engine.stores("acme"), KEY) == new != old
    assert (await turn).session_id == old
    assert world.inbox.replies[-1].session_key == str(KEY)


async def test_a_message_answered_before_new_is_not_run_again_after_it(world, agent) -> None:
    """A message that comes again after /new gets the answer it had in the old session."""
    agent.go.set()
    engine = world.worker()
    message = world.message("one")
    first = await run_turn(engine, message)
    world.clock.advance(60)
    await new_session(engine, KEY)
    again = await run_turn(engine, message)
    assert (again.how, again.line) == ("repeat", first.line)
    assert len(agent.runs) == 1


async def test_status_tells_what_runs_and_what_waits(world, agent) -> None:
    """Status counts turns and waiting messages, and says whether a turn runs."""
    with pytest.raises(NotFound):
        await session_status(world.worker(), KEY)
    async with running(world) as (engine, _):
        await post(engine, "next")
        status = await session_status(engine, KEY)
        assert (status.running, status.waiting, status.turns) == (True, 1, 0)
    await work(engine)
    status = await session_status(engine, KEY)
    assert (status.running, status.waiting, status.turns, status.version) == (False, 0, 2, 2)
    assert status.usd == pytest.approx(0.002)


async def test_an_empty_interrupted_turn_is_told_as_stopped(world, agent) -> None:
    """A turn that was stopped before it said anything is delivered as a word, not as nothing."""
    async with running(world) as (engine, turn):
        await stop_session(engine, KEY)
        line = (await turn).line
    reply = reply_of(Pending("long", str(KEY), 1, 0), replace(line, reply=""))
    assert reply.text == "Stopped."
