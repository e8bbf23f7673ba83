"""Two workers and one session: who may commit, and what the other one finds."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from outlive.errors import LeaseLost, Unavailable
from outlive.flows.run_turn import run_turn
from outlive.flows.turn.hold_lease import Busy, Lease, acquire, release_quietly
from outlive.memory.table import MemoryTable
from outlive.protocols import Row, TextPart
from outlive.testing.clock import SkewedClock
from tests.engine.conftest import KEY


async def _overtaken(world, *, paused_for: float = 31.0):
    """A worker that is paused in the middle of its turn for longer than its lease, while another answers."""
    slow, quick = world.worker("slow"), world.worker("quick")
    await world.turn(slow, "one")
    overtaken = False

    async def pause(event) -> None:
        nonlocal overtaken
        if isinstance(event, TextPart) and not overtaken:
            overtaken = True
            world.clock.advance(paused_for)
            await world.turn(quick, "two")

    with pytest.raises(LeaseLost):
        await run_turn(slow, world.message("two"), on_event=pause)
    return slow


@pytest.mark.defect(52)
@pytest.mark.promise("P4")
async def test_a_worker_that_was_overtaken_cannot_commit(world) -> None:
    """A worker whose lease has passed to another fails at its commit, and the session is the other one's."""
    await _overtaken(world)
    assert await world.answers() == ["one", "two"]
    assert (await world.head()).version == 2


@pytest.mark.promise("P4")
async def test_an_overtaken_worker_goes_on_from_the_winner(world) -> None:
    """The worker that lost takes the next turn on the winner's tree, not on its own leftovers."""
    slow = await _overtaken(world)
    turn = await world.turn(slow, "three")
    assert (turn.before, turn.after, turn.line.reply) == (2, 3, "Message 3: three")


@pytest.mark.promise("P4")
async def test_a_clock_an_hour_ahead_costs_time_not_safety(world) -> None:
    """A worker whose clock runs an hour ahead takes a live lease; the one it took it from cannot commit."""
    one = world.worker("one")
    await world.turn(one, "one")
    ahead = replace(world.worker("ahead"), clock=SkewedClock(world.clock, ahead=3600))

    async def steal(event) -> None:
        if isinstance(event, TextPart) and len(world.agent.runs) == 2:
            await world.turn(ahead, "two")

    with pytest.raises(LeaseLost):
        await run_turn(one, world.message("two"), on_event=steal)
    assert await world.answers() == ["one", "two"]


@pytest.mark.promise("P2")
async def test_one_message_to_many_workers_at_once_is_one_turn(world) -> None:
    """Eight workers given the same message at the same time commit one turn and call the agent once."""
    workers = [world.worker(f"w{number}") for number in range(8)]
    outcomes = await asyncio.gather(*(run_turn(w, world.message("one")) for w in workers), return_exceptions=True)
    assert await world.answers() == ["one"]
    assert len(world.agent.runs) == 1
    assert all(isinstance(o, Busy) or getattr(o, "after", 1) == 1 for o in outcomes), outcomes


@pytest.mark.promise("P2")
async def test_a_repeat_is_answered_without_the_agent(world) -> None:
    """A message delivered again gets the reply it had, and the agent is not run."""
    first = await world.turn(world.worker("w1"), "one")
    again = await world.turn(world.worker("w2"), "one")
    assert (again.how, again.line, again.after) == ("repeat", first.line, 1)
    assert len(world.agent.runs) == 1


@pytest.mark.promise("P2")
async def test_a_repeat_of_any_age_is_found(world) -> None:
    """A message that comes again a hundred turns later, from beyond the head's window, is found in the ledger."""
    worker = world.worker("w1")
    late = world.message("first of all")
    for number in range(100):
        await world.turn(worker, "first of all" if not number else f"message {number}")
        world.clock.advance(600)
    again = await run_turn(world.worker("w2"), late)
    assert (again.how, again.line.turn, len(world.agent.runs)) == ("repeat", 1, 100)


@pytest.mark.promise("P12")
async def test_a_crash_frees_the_session_within_one_lease(world) -> None:
    """While a dead worker's lease runs the session is busy; when it has run out, the next worker gets it."""
    started = asyncio.Event()
    task = asyncio.create_task(run_turn(world.worker("w1"), world.message("one"), on_event=_hanging(started)))
    await started.wait()
    other = world.worker("w2")
    assert isinstance(await run_turn(other, world.message("one")), Busy)
    world.clock.advance(30.1)
    assert (await world.turn(other, "one")).after == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _hanging(started: asyncio.Event):
    """Somebody who watches the turn and hangs as soon as the prompt is written."""

    async def hang(event) -> None:
        if isinstance(event, TextPart):
            started.set()
            await asyncio.Event().wait()

    return hang


@pytest.mark.promise("P12")
async def test_a_cancelled_turn_is_released_and_continued(world) -> None:
    """A turn that is cut off by a shutdown leaves no lease behind, and the next worker goes on where it was."""
    started = asyncio.Event()
    task = asyncio.create_task(run_turn(world.worker("w1"), world.message("one"), on_event=_hanging(started)))
    await started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    turn = await world.turn(world.worker("w2"), "one")
    assert (turn.how, turn.line.reply) == ("continued", "Message 1: one")


@pytest.mark.defect(52)
@pytest.mark.promise("P12")
async def test_a_long_turn_keeps_its_lease(world) -> None:
    """A turn that takes ten leases is never taken over, because the lease is renewed while it runs."""
    seen = []

    async def long(event) -> None:
        if isinstance(event, TextPart) and not seen:
            for _ in range(60):
                await world.clock.let_pass(5)
            seen.append(await run_turn(world.worker("w2"), world.message("two")))

    turn = await run_turn(world.worker("w1"), world.message("one"), on_event=long)
    assert (turn.after, seen) == (1, [Busy()])


@pytest.mark.promise("P1")
async def test_a_renewal_that_waits_for_a_commit_does_not_undo_it(world) -> None:
    """A renewal asked for while a commit is on its way prolongs the lease of the new head, not of the old one."""
    engine = world.worker()
    turn = await world.turn(engine, "one")
    lease = await acquire(engine, engine.stores(KEY.tenant).table, turn.session_id)
    assert isinstance(lease, Lease)
    async with lease.writing:  # both wait, the commit first
        commit = asyncio.create_task(lease.commit(replace(lease.head, version=7)))
        renewal = asyncio.create_task(lease.renew())
        await asyncio.sleep(0)
    await asyncio.gather(commit, renewal)
    assert (lease.head.version, (await world.head()).version) == (7, 7)


class _Outages(MemoryTable):
    """A table whose writes go wrong, one after the other, as they are told to."""

    def __init__(self, world) -> None:
        super().__init__(world.server)
        self.next: list[str] = []

    async def write(self, key: str, body: bytes, **rest) -> Row:
        what = self.next.pop(0) if self.next and key.startswith("acme/head/") else ""
        if what == "nothing sent":
            raise Unavailable("cut off")
        row = await super().write(key, body, **rest)
        if what == "reply lost":
            raise Unavailable("the reply was lost")
        return row


OUTAGE = ["reply lost", "nothing sent", "nothing sent", "nothing sent"]
"""A write that lands unseen, and then an outage that outlasts the tries."""


async def _held(world) -> tuple[Lease, _Outages]:
    await world.turn(world.worker("w1"), "one")
    table = _Outages(world)
    engine = replace(world.worker("w1"), table=table)
    lease = await acquire(engine, engine.stores("acme").table, (await world.head()).session_id)
    assert isinstance(lease, Lease)
    return lease, table


@pytest.mark.promise("P1")
async def test_a_renewal_that_landed_unseen_costs_nothing(world) -> None:
    """After a renewal whose reply was lost and an outage longer than the retries, the live lease commits as ever."""
    lease, table = await _held(world)
    table.next = list(OUTAGE)
    with pytest.raises(Unavailable):
        await lease.renew()
    await lease.commit(replace(lease.head, prompt_version="two"))
    await lease.release()
    assert (await world.head()).prompt_version == "two"
    assert await world.lease_owner() is None


@pytest.mark.promise("P1")
async def test_a_commit_that_landed_unseen_is_not_written_over(world) -> None:
    """A commit whose reply was lost in an outage stays when the lease is given back, and no other one replaces it."""
    lease, table = await _held(world)
    before = lease.head
    table.next = list(OUTAGE)
    with pytest.raises(Unavailable):
        await lease.commit(replace(before, version=2))
    with pytest.raises(LeaseLost):
        await lease.commit(replace(before, version=2, prompt_version="another"))
    await release_quietly(lease)
    head = await world.head()
    assert (head.version, head.prompt_version) == (2, before.prompt_version)
    assert await world.lease_owner() is None


@pytest.mark.defect(51)
@pytest.mark.promise("P4")
async def test_a_lease_that_passed_in_an_outage_is_lost(world) -> None:
    """When somebody else took the session during the outage, reading back finds that, and nothing is written."""
    lease, table = await _held(world)
    table.next = list(OUTAGE)
    with pytest.raises(Unavailable):
        await lease.renew()
    world.clock.advance(61)
    await world.turn(world.worker("w2"), "two")
    with pytest.raises(LeaseLost):
        await lease.commit(replace(lease.head, prompt_version="stale"))
    assert (await world.head()).version == 2
