"""A worker that dies before or after any awaited step of a turn: nothing acknowledged is lost, nothing runs twice."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from outlive.core.turns import CrashPolicy
from outlive.errors import NotFound, OutliveError
from outlive.testing.faults import Action, Crash, CrashAfter, CrashBefore, ErrorBefore, LostReply, Plan, at, on

WRITE = "write notes.txt: three"
MOST_STEPS = 400


async def _interrupted(world, action: Action, number: int, policy: CrashPolicy) -> Plan:
    """Two turns, then a third whose worker dies (or whose call fails) at the given step."""
    first = world.worker("w1", on_crash=policy)
    await world.turn(first, "one")
    await world.turn(first, "write notes.txt: two")
    plan = Plan(at(number, action), clock=world.clock)
    with suppress(Crash, OutliveError):
        await world.turn(world.worker("w1", plan, on_crash=policy), WRITE, paced=True)
    return plan


async def _recover(world, policy: CrashPolicy):
    """The queue delivers the message again, to a worker on another host, after the lease has run out."""
    await world.clock.let_pass(31)
    return await world.turn(world.worker("w2", on_crash=policy), WRITE)


async def _check(world, turn) -> None:
    assert await world.answers() == ["one", "write notes.txt: two", WRITE]
    head = await world.head()
    assert (head.version, head.summary.turns, head.outbox) == (3, 3, ())
    assert await world.file("work/notes.txt") == b"three"
    assert turn.line.reply == f"Message 3: {WRITE}"
    assert [reply.text for reply in world.inbox.replies if reply.message_id == WRITE][-1] == turn.line.reply
    entries = await world.transcript()
    assert [entry["parentUuid"] for entry in entries] == [None, *(entry["uuid"] for entry in entries[:-1])]
    assert await world.lease_owner() is None


@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
@pytest.mark.promise("P3")
@pytest.mark.promise("P5")
@pytest.mark.parametrize("policy", list(CrashPolicy))
@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()], ids=["before", "after"])
async def test_a_worker_may_die_at_any_step(new_world, action, policy) -> None:
    """Whatever step a worker dies at, the next one answers the message in exactly one turn, on a whole transcript."""
    for number in range(1, MOST_STEPS):
        world = new_world()
        plan = await _interrupted(world, action, number, policy)
        await _check(world, await _recover(world, policy))
        if plan.dead is None:
            assert number > 20, "the turn has more steps than that"
            return
    pytest.fail("the turn never ended")


@pytest.mark.promise("P6")
@pytest.mark.parametrize("action", [ErrorBefore(), LostReply()], ids=["error", "lost reply"])
async def test_any_call_may_fail_once(new_world, action) -> None:
    """Whatever call fails once, landed or not, the message ends with exactly one turn and one reply text."""
    for number in range(1, MOST_STEPS):
        world = new_world()
        plan = await _interrupted(world, action, number, CrashPolicy.CONTINUE)
        await _check(world, await _recover(world, CrashPolicy.CONTINUE))
        if len(plan.steps) < number:
            return
    pytest.fail("the turn never ended")


@pytest.mark.promise("P1")
async def test_a_committed_turn_is_not_run_again(new_world) -> None:
    """When the pack of a finished turn is stored, no later worker pays the model for it again."""
    for number in range(1, MOST_STEPS):
        world = new_world()
        plan = await _interrupted(world, CrashAfter(), number, CrashPolicy.CONTINUE)
        stored = [step.name for step in plan.steps].count("objects.put") > 2
        runs = len(world.agent.runs)
        turn = await _recover(world, CrashPolicy.CONTINUE)
        if stored:
            assert len(world.agent.runs) == runs, f"{turn.how} after a crash at step {number}"
        if plan.dead is None:
            return


@pytest.mark.promise("P6")
@pytest.mark.parametrize("call", ["table.acquire", "objects.put", "table.write"])
async def test_a_lost_reply_costs_no_turn(world, call) -> None:
    """When a write lands and its reply is lost, the worker reads back, and the turn succeeds at its first try."""
    await world.turn(world.worker("w1"), "one")
    for nth in (1, 2):
        plan = Plan(on(call, LostReply(), nth=nth), clock=world.clock)
        turn = await world.turn(world.worker("w1", plan), f"{call} {nth}")
        assert turn.how == "ran"
    assert len(world.agent.runs) == 3


async def test_a_turn_the_agent_cannot_go_on_with_is_run_again(world) -> None:
    """When the agent finds nothing to continue in what a dead worker stored, the message is run anew."""
    first = world.worker("w1")
    await world.turn(first, "one")
    plan = Plan(on("agent.run", CrashBefore(), nth=3), clock=world.clock)
    with suppress(Crash):
        await world.turn(world.worker("w1", plan), "two", paced=True)
    assert "objects.put" in [step.name for step in plan.steps]
    await world.clock.let_pass(31)
    forgetful = replace(world.worker("w2"), agent=Forgetful(world.agent))
    turn = await world.turn(forgetful, "two")
    assert (turn.how, turn.line.reply, turn.after) == ("ran", "Message 2: two", 2)


class Forgetful:
    """An agent that cannot continue anything."""

    def __init__(self, agent) -> None:
        self.run_fresh, self.keep, self.drop = agent.run, agent.keep, agent.drop

    async def run(self, turn):
        if turn.prompt is None:
            raise NotFound("there is no interrupted turn to continue.")
        async for event in self.run_fresh(turn):
            yield event
