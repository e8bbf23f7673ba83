"""Counting against limits when workers die and replies are lost, and what it costs in requests."""

from __future__ import annotations

from contextlib import suppress

import pytest

from outlive.core.quotas import Quotas
from outlive.errors import OutliveError
from outlive.flows.limits.count_spending import read_spending
from outlive.testing.counting import Counts
from outlive.testing.faults import Crash, CrashAfter, CrashBefore, ErrorBefore, LostReply, Plan, at

MOST_STEPS = 400
PRICE = 0.001
LIMITS = Quotas(max_usd_per_day=1.0, max_usd_per_turn=0.1, max_concurrent_turns=1)


def worker(world, name: str, plan: Plan | None = None, *, quotas: Quotas = LIMITS):
    """A worker under these limits."""
    return world.worker(name, plan, control_seconds=5.0, quotas=quotas)


@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
@pytest.mark.parametrize(
    "action",
    [CrashBefore(), CrashAfter(), ErrorBefore(), LostReply()],
    ids=["crash before", "crash after", "error", "lost reply"],
)
async def test_every_turn_is_counted_once_whatever_step_fails(new_world, action) -> None:
    """Whatever step of a limited turn fails or dies, the message has one turn, counted once, and no place is kept."""
    for number in range(1, MOST_STEPS):
        world = new_world()
        await world.turn(worker(world, "w1"), "one")
        plan = Plan(at(number, action), clock=world.clock)
        with suppress(Crash, OutliveError):
            await world.turn(worker(world, "w1", plan), "two", paced=True)
        await world.clock.let_pass(31)
        await world.turn(worker(world, "w2"), "two")
        await _check(world, ["one", "two"])
        await world.turn(worker(world, "w2"), "three")
        await _check(world, ["one", "two", "three"])
        if len(plan.steps) < number:
            assert number > 20, "the turn has more steps than that"
            return
    pytest.fail("the turn never ended")


async def _check(world, answers: list[str]) -> None:
    assert await world.answers() == answers
    spending = await read_spending(world.observer, world.observer.stores("acme"))
    assert sum(spending.days.values()) == pytest.approx(len(answers) * PRICE)
    assert (await world.head()).summary.usd == pytest.approx(len(answers) * PRICE)
    assert spending.running == ()


async def _counted(world, engine, text: str) -> Counts:
    before = world.counts.copy()
    await world.turn(engine, text)
    return world.counts - before


async def test_without_limits_turns_write_nothing_more(world) -> None:
    """With the switch heeded and no limit set, a warm turn asks as before, but for two reads per `control_seconds`."""
    engine = worker(world, "w1", quotas=Quotas())
    await world.turn(engine, "one")
    soon = await _counted(world, engine, "two")
    world.clock.advance(5.0)
    later = await _counted(world, engine, "three")
    assert (soon.table_reads, soon.table_writes, soon.objects_put, soon.objects_get) == (1, 3, 1, 0)
    assert (later.table_reads, later.table_writes, later.objects_put, later.objects_get) == (3, 3, 1, 0)


async def test_limits_of_turn_and_session_write_nothing_more(world) -> None:
    """What one session can tell by itself costs no request."""
    engine = worker(world, "w1", quotas=Quotas(max_usd_per_turn=1.0, max_usd_per_session=1.0, max_agent_turns=5))
    await world.turn(engine, "one")
    counts = await _counted(world, engine, "two")
    assert (counts.table_reads, counts.table_writes) == (1, 3)


async def test_counted_limits_cost_two_reads_and_two_writes(world) -> None:
    """A limit across sessions adds one read and one write before the turn, and the same after it."""
    engine = worker(world, "w1")
    await world.turn(engine, "one")
    counts = await _counted(world, engine, "two")
    assert (counts.table_reads, counts.table_writes) == (1 + 2, 3 + 2)
