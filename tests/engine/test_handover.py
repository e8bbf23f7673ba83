"""Turns that outlast their invocation: handed over at the deadline, finished by the next worker."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from outlive.core.messages import encode_inbound
from outlive.core.turns import CrashPolicy
from outlive.errors import Invalid
from outlive.flows.engine import Policy
from outlive.flows.run_turn import run_turn
from outlive.flows.turn.hand_over import HandedOver, handover_at
from outlive.flows.work_queue import work_one, work_queue
from outlive.protocols import Message, ToolFinished, ToolStarted
from outlive.testing.faults import Plan
from outlive.testing.instant_agent import InstantAgent
from tests.engine.conftest import KEY, World

WRITE = "write notes.txt: three"
MOST_STEPS = 200
TIME = 3.0
"""Seconds of an invocation: less than a flush window, more than a retry's pause."""


class Late(Plan):
    """Lets the time run out just before one of the calls."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(clock=world.clock)
        self._world, self._number = world, number

    async def __call__(self, name, arguments, call, /):
        """Wait first, if it is that call."""
        if len(self.steps) + 1 == self._number:
            await asyncio.sleep(0.001)  # real: the turn's other tasks come to their waits
            await self._world.clock.let_pass(TIME + 0.1)
        return await super().__call__(name, arguments, call)


async def _until_deadline(world: World, number: int) -> tuple[object, int]:
    """A third turn whose deadline comes at the given step; its outcome, and how many steps there were."""
    first = world.worker("w1")
    await world.turn(first, "one")
    await world.turn(first, "write notes.txt: two")
    late = Late(world, number)
    outcome = await run_turn(world.worker("w1", late), world.message(WRITE), deadline=world.clock.now() + TIME)
    return outcome, len(late.steps)


@pytest.mark.promise("P1")
@pytest.mark.promise("P12")
async def test_a_deadline_may_come_at_any_step(new_world) -> None:
    """Whatever the turn does when its time is up, the next worker ends it once, at once, on a whole transcript."""
    handed_over = 0
    for number in range(1, MOST_STEPS):
        world = new_world()
        outcome, steps = await _until_deadline(world, number)
        assert await world.lease_owner() is None
        handed_over += isinstance(outcome, HandedOver)
        turn = await world.turn(world.worker("w2"), WRITE)
        assert await world.answers() == ["one", "write notes.txt: two", WRITE]
        assert (turn.line.reply, await world.file("work/notes.txt")) == (f"Message 3: {WRITE}", b"three")
        entries = await world.transcript()
        assert [entry["parentUuid"] for entry in entries] == [None, *(entry["uuid"] for entry in entries[:-1])]
        if steps < number:
            break
    assert handed_over > 5


class Worker(InstantAgent):
    """An agent that does one step per invocation: its tool finishes, then it waits for ever; the fourth run answers."""

    finishes = True

    async def run(self, turn):
        """Part of a turn, or its end."""
        if len(self.runs) < 3:
            async with aclosing(super().run(turn)) as events:
                async for event in events:
                    yield event
                    if len(self.runs) > 3 or not isinstance(event, ToolStarted):
                        continue
                    if self.finishes:
                        yield ToolFinished("tool_1", is_error=False)
                    await asyncio.Future()
        else:
            async for event in super().run(turn):
                yield event


async def _queued(world: World, *texts: str) -> None:
    queue = world.observer.queue
    for text in texts:
        inbound = world.message(text)
        await queue.send(Message(str(KEY), inbound.message_id, encode_inbound(inbound)))


async def _one_invocation(world: World, name: str, **policy: object) -> list[object]:
    """A worker that lives for a while; the outcomes of its turns."""
    outcomes: list[object] = []

    async def keep(_inbound, outcome) -> None:
        outcomes.append(outcome)

    engine, deadline = world.worker(name, **policy), world.clock.now() + TIME
    working = asyncio.create_task(work_queue(engine, asyncio.Event(), wait=0, on_outcome=keep, deadline=deadline))
    await asyncio.sleep(0.2)  # real: blocking file work is done on threads
    await world.clock.let_pass(TIME + 0.1)
    await working
    return outcomes


async def test_a_turn_longer_than_several_deadlines_finishes(world) -> None:
    """Three invocations each get one step further without using up the message's receives; the fourth commits once."""
    world.agent = Worker()
    await _queued(world, WRITE, "next")
    for name in ("w1", "w2", "w3"):
        (outcome,) = await _one_invocation(world, name)
        assert (type(outcome), outcome.steps) == (HandedOver, 1)
    first, second = await _one_invocation(world, "w4")
    assert (first.how, first.after, second.after) == ("continued", 1, 2)
    assert await world.answers() == [WRITE, "next"]
    assert (await world.observer.queue.depth()).dead == 0


async def test_a_turn_handed_over_is_continued_under_any_policy(world) -> None:
    """Even where dead workers' turns are run again, one that was handed over goes on where it was."""
    world.agent = Worker()
    await _queued(world, WRITE)
    for name in ("w1", "w2", "w3"):
        await _one_invocation(world, name, on_crash=CrashPolicy.RERUN)
    (last,) = await _one_invocation(world, "w4", on_crash=CrashPolicy.RERUN)
    assert (last.how, [turn.prompt for turn in world.agent.runs]) == ("continued", [WRITE, None, None, None])


async def test_a_turn_that_gets_nowhere_becomes_a_dead_letter(world) -> None:
    """A turn that finishes no step in a whole invocation counts as received, so it cannot cost money for ever."""
    world.agent = Worker()
    world.agent.finishes = False
    await _queued(world, WRITE)
    for name in ("w1", "w2", "w3"):
        await _one_invocation(world, name)
    assert await world.observer.queue.receive(visibility=30, wait=0) is None
    (letter,) = await world.observer.queue.dead_letters()
    assert letter.reason == "handed over at the deadline"


async def test_a_later_message_that_overtakes_leaves_the_first_to_be_run_anew(world) -> None:
    """On a queue without order M2 runs from the last commit, and M1 is answered after it by its own next delivery."""
    world.agent = Worker()
    engine = world.worker("w1")
    running = asyncio.create_task(run_turn(engine, world.message(WRITE), deadline=world.clock.now() + TIME))
    await asyncio.sleep(0.2)
    await world.clock.let_pass(TIME + 0.1)
    assert isinstance(await running, HandedOver)
    world.agent = InstantAgent()
    assert (await world.turn(world.worker("w2"), "M2")).line.reply == "Message 1: M2"
    assert (await world.turn(world.worker("w3"), WRITE)).line.reply == f"Message 2: {WRITE}"
    assert await world.answers() == ["M2", WRITE]


async def test_no_message_is_taken_when_the_time_is_up(world) -> None:
    """A worker whose deadline has passed returns at once and leaves the queue alone."""
    await _queued(world, "one")
    await work_queue(world.worker("w1"), asyncio.Event(), deadline=world.clock.now())
    assert (await world.observer.queue.depth()).waiting == 1


async def test_a_delivery_that_comes_too_late_is_given_back(world) -> None:
    """A message whose turn cannot even start in time waits in the queue, and its session is free."""
    await world.turn(world.worker("w1"), "one")
    await _queued(world, "two")
    engine = world.worker("w1")
    delivery = await engine.queue.receive(visibility=30, wait=0)
    await work_one(engine, delivery, deadline=world.clock.now() - 1)
    assert (await engine.queue.depth()).waiting == 1
    assert await world.lease_owner() is None


def test_an_invocation_needs_more_than_the_reserve() -> None:
    """An invocation as short as its reserve is refused with the setting to change."""
    assert handover_at(Policy(handover_reserve_seconds=5), 100.0, now=90.0) == 95.0
    with pytest.raises(Invalid, match="OUTLIVE_HANDOVER_RESERVE_SECONDS"):
        handover_at(Policy(), 100.0, now=90.0)
