"""Fail-over, the old home that comes back, and fail-back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from outlive.core.regions import EPOCH, copied_version
from outlive.errors import OutliveError, Unavailable
from outlive.flows.delivery.retry_outbox import retry_outboxes
from outlive.flows.regions.give_back import GivenBack, give_back
from outlive.flows.regions.region_status import region_status
from outlive.flows.regions.take_over import plan_take_over, take_over
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.turn.find_session import find_session, hold_session
from outlive.flows.turn.hold_lease import Lease
from outlive.memory.table import MemoryTable
from outlive.protocols import Row
from outlive.testing.faults import Action, Crash, CrashAfter, CrashBefore, Plan, at, on
from tests.engine.conftest import KEY
from tests.regions.conftest import TwoRegions


async def held(two: TwoRegions, region: str, mode: str = "synchronous") -> Lease:
    """The session's lease, taken by a worker of the region."""
    engine = two.worker(region, mode).engine
    lease = await hold_session(engine, engine.stores("acme"), KEY, "default")
    assert isinstance(lease, Lease)
    return lease


async def back(two: TwoRegions, region: str, mode: str = "synchronous") -> GivenBack:
    """What the survivor does when the other region is back."""
    return await give_back(two.pair(region, mode))


@pytest.mark.promise("P1")
async def test_every_acknowledged_turn_is_there_after_a_failover(two: TwoRegions) -> None:
    """The home is gone with all it had; the other region answers the next message with everything before it."""
    east = two.worker("east")
    for text in ("one", "write a.txt: hello", "three"):
        await two.turn(east, text)
    two.kill("east")
    done = await two.take("west")
    turn = await two.turn(two.worker("west"), "four")
    assert (done.sessions, done.alone) == (1, True)
    assert (turn.line.turn, turn.line.reply) == (4, "Message 4: four")
    assert (await two.head("west")).region == "west"


@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()], ids=["before", "after"])
async def test_a_home_may_die_at_any_step(new_two: Callable[[], TwoRegions], action: Action) -> None:
    """Whatever step of a turn the home dies at, after the fail-over its message has one turn, and so has the next."""
    for number in range(1, 200):
        two, plan = new_two(), Plan(at(number, action))
        await two.turn(two.worker("east"), "one")
        with suppress(Crash):
            await two.turn(two.worker("east", plan=plan), "two", paced=True)
        two.kill("east")
        await two.take("west")
        two.clock.advance(31)
        await two.turn(west := two.worker("west"), "two")
        assert (await two.turn(west, "three")).line.turn == 3
        if plan.dead is None:
            assert number > 12, "the turn has more steps than that"
            return


@pytest.mark.defect(37)
@pytest.mark.promise("P4")
async def test_a_worker_of_the_old_home_changes_nothing(two: TwoRegions) -> None:
    """A turn that began in the east before a fail-over behind a cut cannot commit: not then, and not afterwards."""
    await two.turn(two.worker("east"), "one")
    lease = await held(two, "east")
    two.line.is_cut = True
    await two.take("west")
    with pytest.raises(OutliveError):
        await lease.commit(replace(lease.head, version=2))
    two.line.is_cut = False
    await two.turn(two.worker("west"), "two")
    with pytest.raises(OutliveError):
        await lease.release()
    assert two.answered("west") == 2


async def test_a_returning_home_sends_its_turns_to_the_new_one(two: TwoRegions) -> None:
    """When the line is whole again, a worker of the old home runs its messages where the session is at home now."""
    east = two.worker("east")
    await two.turn(east, "one")
    two.line.is_cut = True
    await two.take("west")
    await two.turn(two.worker("west"), "two")
    two.line.is_cut = False
    two.pass_by()
    assert (await two.turn(east, "three")).line.turn == 3
    assert (two.answered("east"), two.answered("west")) == (1, 3)


async def test_what_an_asynchronous_home_had_alone_is_counted_and_kept_aside(two: TwoRegions) -> None:
    """Two turns were never copied: the fail-back names the session, counts two, and goes on with the survivor's."""
    east = two.worker("east", "asynchronous")
    await two.turn(east, "one")
    await east.copying.drained()
    two.line.is_cut = True
    for text in ("lost one", "lost two"):
        await two.turn(east, text)
    await two.take("west", "asynchronous")
    await two.turn(two.worker("west", "asynchronous"), "two")
    two.line.is_cut = False
    done = await back(two, "west", "asynchronous")
    status = await region_status(two.pair("east"))
    assert (done.lost_turns, len(done.lost_sessions), done.returned) == (2, 1, 1)
    assert (status.regions[0].lost_turns, two.answered("east")) == (2, 2)


@pytest.mark.promise("P4")
async def test_an_asynchronous_home_that_comes_back_is_refused_record_by_record(two: TwoRegions) -> None:
    """A lease from before the cut cannot be used once the line is whole, though nothing was fenced in the east yet."""
    await two.turn(first := two.worker("east", "asynchronous"), "one")
    await first.copying.drained()
    lease = await held(two, "east", "asynchronous")
    two.line.is_cut = True
    await two.take("west", "asynchronous")
    two.line.is_cut = False
    two.pass_by()
    with pytest.raises(OutliveError):
        await lease.commit(replace(lease.head, version=2))
    assert two.answered("west") == 1


async def test_a_session_goes_home_again(two: TwoRegions) -> None:
    """After the fail-back the founding region is the home, under a higher epoch, and has what was done meanwhile."""
    await two.turn(two.worker("east"), "one")
    two.line.is_cut = True
    await two.take("west")
    await two.turn(two.worker("west"), "two")
    two.line.is_cut = False
    done = await back(two, "west")
    turn = await two.turn(two.worker("east"), "three")
    head = await two.head("east")
    row = two.servers["east"].rows[f"acme/head/{head.session_id}"]
    assert (turn.line.turn, done.returned, done.lost_turns, done.left) == (3, 1, 0, [])
    assert (head.region, row.fence // EPOCH, copied_version(row)) == ("east", 2, None)
    assert await two.head("west") == head


async def test_a_planned_failover_loses_nothing_in_any_mode(two: TwoRegions) -> None:
    """Where both regions answer, the old home is fenced first and read to its end, copies that are late included."""
    east = two.worker("east", "asynchronous")
    two.line.is_cut = True
    await two.turn(east, "one")
    two.line.is_cut = False
    done = await two.take("west", "asynchronous")
    assert not done.alone
    assert (await two.turn(two.worker("west", "asynchronous"), "two")).line.turn == 2


async def test_a_copy_that_comes_while_the_record_is_taken_over_is_no_obstacle(two: TwoRegions) -> None:
    """The record is read as absent, then its copy lands: the fail-over looks again, and leaves nothing."""
    await two.turn(two.worker("east"), "one")
    pair = two.pair("west")
    plan, table, seen = await plan_take_over(pair), pair.tables["west"], set()

    async def read(key: str) -> Row | None:
        is_first = key not in seen
        seen.add(key)
        return None if is_first else await MemoryTable(two.servers["west"]).read(key)

    vars(table)["read"] = read
    done = await take_over(pair, plan, everything=True)
    assert (done.left, (await two.turn(two.worker("west"), "two")).line.turn) == ([], 2)


async def test_one_session_is_taken_over_alone(two: TwoRegions) -> None:
    """Its head and its mapping pass; other sessions stay where they are."""
    east = two.worker("east")
    await two.turn(east, "one")
    other = await hold_session(east.engine, east.engine.stores("zoo"), KEY, "default")
    assert isinstance(other, Lease)
    key = f"acme/head/{await find_session(east.engine, east.engine.stores('acme'), KEY)}"
    pair = two.pair("west")
    plan = await plan_take_over(pair, key)
    done = await take_over(pair, plan, everything=False)
    assert (plan.records, done.left) == ((key, "acme/key/console/ada/default"), [])
    assert copied_version(two.servers["east"].rows[key]) is not None
    assert two.servers["east"].rows[f"zoo/head/{other.head.session_id}"].fence == 1


async def test_the_plan_says_what_may_be_lost(two: TwoRegions) -> None:
    """Nothing in synchronous mode; in asynchronous mode the window, and when the last known turn was acknowledged."""
    await two.turn(two.worker("east"), "one")
    two.line.is_cut = True
    safe = await plan_take_over(two.pair("west"))
    bounded = await plan_take_over(two.pair("west", "asynchronous"))
    assert (safe.sessions, safe.may_lose_seconds, bounded.may_lose_seconds) == (1, 0.0, 60.0)
    assert bounded.newest_at == (await two.head("west")).updated_at


async def test_a_plan_changes_nothing(two: TwoRegions) -> None:
    """Both tables are as they were."""
    await two.turn(two.worker("east"), "one")
    before = [dict(server.rows) for server in two.servers.values()]
    await plan_take_over(two.pair("west"))
    await region_status(two.pair("west"))
    assert [dict(server.rows) for server in two.servers.values()] == before


@pytest.mark.promise("P3")
async def test_a_reply_that_was_not_delivered_is_sent_from_the_new_home(two: TwoRegions) -> None:
    """The home died between commit and delivery: the survivor's outbox names the session, and the reply is there."""
    east = two.worker("east")
    east.engine.channels.clear()  # type: ignore[attr-defined]
    await two.turn(east, "one")
    two.kill("east")
    await two.take("west")
    assert any(key.startswith("_outbox/acme") for key in two.servers["west"].rows)
    west = two.worker("west").engine
    two.clock.advance(3600)  # it had been put off once: no channel
    await retry_outboxes(west)
    assert [reply.message_id for reply in two.inbox.replies] == ["one"]


@pytest.mark.promise("P10")
async def test_a_session_erased_meanwhile_does_not_come_back(two: TwoRegions) -> None:
    """Erased in the survivor while the other region was away: record and packs are gone there after the fail-back."""
    await two.turn(two.worker("east"), "one")
    session_id = (await two.head("east")).session_id
    two.line.is_cut = True
    await two.take("west")
    west = two.worker("west").engine
    await erase_session(west, west.stores("acme"), session_id)
    two.line.is_cut = False
    await back(two, "west")
    for server in two.servers.values():
        assert not [key for key in (*server.rows, *server.blobs) if session_id in key]


async def test_an_interrupted_failover_is_finished_by_running_it_again(two: TwoRegions) -> None:
    """Cut off after each of its requests in turn, and run again: the session is at home in one region, and whole."""
    await two.turn(two.worker("east"), "one")
    for number in range(1, 200):
        plan = Plan(at(number, CrashAfter()))
        with suppress(Crash):
            await two.take("west", plan=plan)
        await two.take("west")
        status = await region_status(two.pair("west"))
        assert (status.is_moving, status.behind, status.regions[0].at_home) == (0, 0, 1)
        await two.take("east")
        if plan.dead is None:
            break
    assert (await two.turn(two.worker("east"), "two")).line.turn == 2


async def test_a_failback_needs_the_other_region(two: TwoRegions) -> None:
    """While it does not answer, nothing is changed."""
    await two.turn(two.worker("east"), "one")
    two.line.is_cut = True
    await two.take("west")
    with pytest.raises(Unavailable, match="east"):
        await back(two, "west")
    assert (await two.pair("west").control("west")).alone


async def test_a_turn_cut_off_in_one_region_is_continued_in_the_other(two: TwoRegions) -> None:
    """What the dead home had flushed is in both regions: the survivor finishes that turn instead of running it anew."""
    await two.turn(two.worker("east"), "one")
    plan = Plan(on("agent.run", CrashBefore(), nth=3))
    with suppress(Crash):
        await two.turn(two.worker("east", plan=plan), "two", paced=True)
    two.kill("east")
    await two.take("west")
    assert (await two.turn(two.worker("west"), "two")).how == "continued"
