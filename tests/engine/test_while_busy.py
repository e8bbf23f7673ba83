"""A second message while a turn runs: queued, collected, steering or interrupting, never dropped."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
import pytest_asyncio

from outlive.core.controls import WhileBusy
from outlive.errors import OutliveError
from outlive.flows.run_turn import run_turn
from outlive.flows.turn.read_ledger import read_lines
from outlive.flows.work_queue import work_one
from outlive.testing.faults import Crash, CrashAfter, CrashBefore, Plan, at
from tests.engine.held import HeldAgent, settle
from tests.engine.queued import post, receive, work

STEPS = 60


@pytest_asyncio.fixture
async def agent(world) -> HeldAgent:
    """The world's agent, whose turns last."""
    world.agent = HeldAgent()
    return world.agent


async def ledger(world) -> list[tuple[str, tuple[str, ...]]]:
    """Which messages each turn answered."""
    engine = world.observer
    lines = await read_lines(engine, engine.stores("acme"), await world.head())
    return [(line.message_id, line.joined) for line in lines]


@pytest.mark.defect(53)
async def test_queued_messages_have_a_turn_each(world) -> None:
    """By default each message has its own turn, in the order sent."""
    engine = world.worker()
    await post(engine, "a", "b", "c")
    await work(engine)
    assert await ledger(world) == [("a", ()), ("b", ()), ("c", ())]


async def test_collected_messages_share_a_turn(world) -> None:
    """Messages that wait together are answered by one turn with one reply, addressed to the last of them."""
    engine = world.worker(while_busy=WhileBusy.COLLECT)
    await post(engine, "a", "b", "c")
    await work(engine)
    assert await ledger(world) == [("a", ("b", "c"))]
    assert [turn.prompt for turn in world.agent.runs] == ["a\n\nb\n\nc"]
    assert [(reply.message_id, reply.reply_to) for reply in world.inbox.replies] == [("a", "c")]


@pytest.mark.parametrize("repeated", ["a", "b", "c"])
async def test_any_repeat_of_a_collected_message_is_known(world, repeated) -> None:
    """Whichever of the joined messages comes again, nothing is run and nothing is sent."""
    engine = world.worker(while_busy=WhileBusy.COLLECT)
    await post(engine, "a", "b", "c")
    await work(engine)
    turn = await run_turn(engine, world.message(repeated))
    assert (turn.how, turn.line.joined) == ("repeat", ("b", "c"))
    assert (len(world.agent.runs), len(world.inbox.replies)) == (1, 1)


async def test_a_collected_message_is_found_in_the_ledger_when_it_has_left_the_window(world) -> None:
    """A joined message is known however many turns ago it was answered."""
    engine = world.worker(while_busy=WhileBusy.COLLECT)
    await post(engine, "a", "b")
    await work(engine)
    for number in range(66):
        await world.turn(engine, f"later {number}")
    assert (await run_turn(engine, world.message("b"))).how == "repeat"


async def test_an_answered_message_is_not_collected_again(world) -> None:
    """A repeat that waits behind a new message is left out of its turn, and found answered after it."""
    engine = world.worker(while_busy=WhileBusy.COLLECT)
    await run_turn(engine, world.message("old"))
    await post(engine, "new", "old", "newer")
    await work(engine)
    assert await ledger(world) == [("old", ()), ("new", ("newer",))]


@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()], ids=["before", "after"])
async def test_a_crash_of_a_collected_turn_answers_each_message_once(new_world, action) -> None:
    """Wherever the worker of a joined turn dies, each message is answered by one turn, late ones by a later turn."""
    for number in range(1, STEPS):
        world = new_world()
        plan = Plan(at(number, action), clock=world.clock)
        dying = world.worker("w1", plan, while_busy=WhileBusy.COLLECT)
        await post(world.observer, "a", "b")
        with suppress(Crash, OutliveError):
            if delivery := await receive(dying):
                await work_one(dying, delivery)
        await post(world.observer, "late")
        world.clock.advance(31)
        for _ in range(3):
            await work(world.worker("w2", while_busy=WhileBusy.COLLECT))
            world.clock.advance(3)
        answered = [each for first, joined in await ledger(world) for each in (first, *joined)]
        assert sorted(answered) == ["a", "b", "late"], f"step {number}"
        if plan.dead is None:
            return


async def test_an_interrupting_message_stops_the_turn(world, agent) -> None:
    """With `interrupt` the running turn is kept as far as it got, and the new message is next."""
    engine = world.worker(while_busy=WhileBusy.INTERRUPT)
    await post(engine, "long")
    working = asyncio.create_task(work_one(engine, await receive(engine)))
    await agent.begun.wait()
    await post(engine, "no, this")
    await world.clock.let_pass(3)
    await asyncio.wait_for(working, 5)
    agent.go.set()
    await work(engine)
    assert await world.answers() == ["long", "no, this"]
    assert [reply.stop_reason for reply in world.inbox.replies] == ["interrupted", "end_turn"]


async def test_a_steering_message_joins_the_running_turn(world, agent) -> None:
    """With `steer` the message is handed to the running agent, and answered with its turn."""
    engine = world.worker(while_busy=WhileBusy.STEER)
    await post(engine, "long")
    working = asyncio.create_task(work_one(engine, await receive(engine)))
    await agent.begun.wait()
    await post(engine, "also this")
    await world.clock.let_pass(3)
    await settle()
    agent.go.set()
    await asyncio.wait_for(working, 5)
    await work(engine)
    assert agent.steered == ["also this"]
    assert await ledger(world) == [("long", ("also this",))]
    assert len(agent.runs) == 1


async def test_a_message_that_comes_too_late_to_steer_has_its_own_turn(world, agent) -> None:
    """When the agent takes no more, the message waits and is answered next."""
    agent.takes_more = False
    engine = world.worker(while_busy=WhileBusy.STEER)
    await post(engine, "long")
    working = asyncio.create_task(work_one(engine, await receive(engine)))
    await agent.begun.wait()
    await post(engine, "also this")
    await world.clock.let_pass(3)
    agent.go.set()
    await asyncio.wait_for(working, 5)
    await work(engine)
    assert await ledger(world) == [("long", ()), ("also this", ())]
