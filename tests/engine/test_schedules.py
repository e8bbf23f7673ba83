"""Schedules: fired once by however many workers, made up for once after a pause, gone when removed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from outlive.core.keys import Tenant
from outlive.errors import Invalid, NotFound, OutliveError
from outlive.flows.delivery.schedule_messages import add_schedule, fire_schedules, list_schedules, remove_schedule
from outlive.testing.faults import Crash, CrashAfter, CrashBefore, Plan, at
from tests.engine.conftest import KEY
from tests.engine.queued import work

ACME = Tenant("acme")


async def said(world) -> list[str]:
    """Prompts, in the order run."""
    return [turn.prompt for turn in world.agent.runs]


async def test_one_time_fires_once_and_is_gone(world) -> None:
    """A schedule for one time sends its message when that has come, and is removed."""
    engine = world.worker()
    await add_schedule(engine, KEY, "wake up", at=world.clock.now() + 100)
    assert await fire_schedules(engine) == 0
    world.clock.advance(101)
    assert await fire_schedules(engine) == 1
    await work(engine)
    assert await said(world) == ["wake up"]
    assert await list_schedules(engine, ACME) == []


async def test_many_workers_fire_it_once(world) -> None:
    """Eight workers that see the same due time at once send one message."""
    engines = [world.worker(f"w{n}") for n in range(8)]
    await add_schedule(engines[0], KEY, "report", every=60)
    for _ in range(3):
        world.clock.advance(60)
        assert sum(await asyncio.gather(*(fire_schedules(each) for each in engines))) == 1
        await work(engines[0])
    assert await said(world) == ["report"] * 3


async def test_missed_times_are_made_up_for_once(world) -> None:
    """After an hour without a worker a message of every minute comes once, and then at its own times again."""
    engine = world.worker()
    made = await add_schedule(engine, KEY, "report", every=60)
    world.clock.advance(3630)
    assert [await fire_schedules(engine) for _ in range(3)] == [1, 0, 0]
    (schedule,) = await list_schedules(engine, ACME)
    assert schedule.next_at == made.created_at + 61 * 60


@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()], ids=["before", "after"])
async def test_a_crash_while_firing_neither_loses_nor_doubles_it(new_world, action) -> None:
    """Wherever the firing worker dies, the message is answered exactly once."""
    for number in range(1, 10):
        world = new_world()
        await add_schedule(world.observer, KEY, "report", every=600)
        world.clock.advance(601)
        plan = Plan(at(number, action), clock=world.clock)
        with suppress(Crash, OutliveError):
            await fire_schedules(world.worker("w1", plan))
        await fire_schedules(world.worker("w2"))
        await work(world.worker("w2"))
        assert await said(world) == ["report"], f"step {number}"
        if plan.dead is None:
            return


async def test_cron_follows_the_clocks_of_its_zone(world) -> None:
    """A cron schedule comes at its local time."""
    engine = world.worker()
    made = await add_schedule(engine, KEY, "morning", cron="0 9 * * *", zone="Asia/Tokyo")
    assert made.next_at % 86400 == 0
    assert 0 < made.next_at - world.clock.now() <= 86400


async def test_a_removed_schedule_fires_no_more(world) -> None:
    """A removed schedule sends nothing, and removing it again is `NotFound`."""
    engine = world.worker()
    made = await add_schedule(engine, KEY, "report", every=60)
    await remove_schedule(engine, ACME, made.id)
    world.clock.advance(61)
    assert await fire_schedules(engine) == 0
    with pytest.raises(NotFound):
        await remove_schedule(engine, ACME, made.id)


@pytest.mark.parametrize(
    "when",
    [{}, {"every": 60, "cron": "@daily"}, {"every": 1}, {"cron": "nonsense"}, {"cron": "@daily", "zone": "Mars/Base"}],
)
async def test_an_unclear_schedule_is_refused(world, when) -> None:
    """What says no time, two times or an impossible one is refused, and nothing is stored."""
    engine = world.worker()
    with pytest.raises(Invalid):
        await add_schedule(engine, KEY, "x", **when)
    with pytest.raises(Invalid, match="text"):
        await add_schedule(engine, KEY, " ", every=60)
    assert await list_schedules(engine, ACME) == []
