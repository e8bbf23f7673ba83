"""Limits and the kill switch in a small universe: who is refused, who waits, who is stopped."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest

from outlive.core.keys import CONTROL_KEY, session_key
from outlive.core.quotas import Quotas
from outlive.errors import AgentFailed, Corrupt, Invalid, NotFound, Unavailable
from outlive.flows.limits.change_limits import set_quotas, start_turns, stop_turns
from outlive.flows.limits.count_spending import read_spending
from outlive.flows.run_turn import Turn, run_turn
from outlive.flows.turn.hold_lease import Busy
from outlive.flows.work_queue import work_one
from outlive.protocols import Absent, Free, Message, SessionSeen, TextPart, TurnDone
from outlive.testing.faults import ErrorBefore, Plan, every
from outlive.testing.instant_agent import TRANSCRIPTS, InstantAgent

SECONDS = 5.0
PRICE = 0.001
"""Of one turn of the instant agent."""
BOB = session_key("acme", "console", "bob")


def limited(world, name: str = "w1", plan: Plan | None = None, **quotas: object):
    """A worker that heeds limits, with these as its settings."""
    return world.worker(name, plan, control_seconds=SECONDS, quotas=Quotas(**quotas))


async def spent(world) -> float:
    """What is counted for today."""
    return (await read_spending(world.observer, world.observer.stores("acme"))).today(world.clock.now())


async def running(world) -> int:
    """How many turns are believed to run."""
    return len((await read_spending(world.observer, world.observer.stores("acme"))).running)


async def stop(world, *, everyone: bool = False) -> None:
    """Throw the switch."""
    stores = None if everyone else world.observer.stores("acme")
    await stop_turns(world.observer, stores, reason="maintenance", by="root")


# ----------------------------------------------------------------------------------------- kill switch


@pytest.mark.parametrize("everyone", [False, True])
async def test_a_stopped_tenant_is_told_once_without_the_agent(world, everyone) -> None:
    """The message is answered with the operator's reason, delivered like any reply, and a repeat runs nothing."""
    await stop(world, everyone=everyone)
    worker = limited(world)
    turn = await world.turn(worker, "one")
    again = await world.turn(worker, "one")
    assert (turn.how, turn.line.reply, turn.line.usd) == ("refused", "Stopped by the operator: maintenance", 0.0)
    assert (again.how, again.line, world.agent.runs) == ("repeat", turn.line, [])
    assert [reply.text for reply in world.inbox.replies] == [turn.line.reply]


async def test_after_the_start_the_conversation_goes_on(world) -> None:
    """What was said before the stop is still there, and what was refused is not in the agent's transcript."""
    worker = limited(world)
    await world.turn(worker, "one")
    await stop(world)
    world.clock.advance(SECONDS)
    await world.turn(worker, "two")
    await start_turns(world.observer, world.observer.stores("acme"))
    world.clock.advance(SECONDS)
    turn = await world.turn(limited(world, "w2"), "three")
    assert (turn.line.reply, turn.after) == ("Message 2: three", 3)


async def test_another_tenant_is_not_stopped(world) -> None:
    """The switch of one tenant leaves the others alone."""
    await stop(world)
    message = replace(world.message("one"), key=session_key("other", "console", "ada"))
    turn = await run_turn(limited(world), message)
    assert isinstance(turn, Turn)
    assert turn.how == "ran"


async def test_a_refused_message_is_not_retried(world) -> None:
    """The queue is done with a refused message after one delivery."""
    await stop(world)
    worker = limited(world)
    await worker.queue.send(Message("acme:console:ada", "m1", _queued(world, "one")))
    delivery = await worker.queue.receive(visibility=30, wait=0)
    await work_one(worker, delivery)
    depth = await worker.queue.depth()
    assert (depth.waiting, depth.in_flight, depth.dead) == (0, 0, 0)


def _queued(world, text: str) -> bytes:
    from outlive.core.messages import encode_inbound

    return encode_inbound(world.message(text))


async def test_a_start_without_a_stop_is_told(world) -> None:
    """Starting what is not stopped is `NotFound`, and a stop without a reason `Invalid`: nothing is written."""
    stores = world.observer.stores("acme")
    with pytest.raises(NotFound):
        await start_turns(world.observer, stores)
    with pytest.raises(Invalid, match="reason"):
        await stop_turns(world.observer, stores, reason=" ", by="root")
    assert world.server.rows == {}


@dataclass
class Working(InstantAgent):
    """Works until it is interrupted; a deaf one for good."""

    deaf: bool = False
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, turn):
        """A file, then nothing until it is told to stop."""
        session_id = self.new_uuid()
        yield SessionSeen(session_id)
        self._append(turn.root / TRANSCRIPTS / f"{session_id}.jsonl", [], "user", turn.prompt)
        (turn.root / "work" / "half.txt").write_text("half done")
        yield TextPart("I began")
        await self.stopped.wait()
        yield TurnDone("I began", session_id, stop_reason="interrupted")

    async def interrupt(self, root):
        """Hear it, or not."""
        if not self.deaf:
            self.stopped.set()
        return True


async def _stopped_while_running(world, agent: Working):
    began = asyncio.Event()

    async def watch(event) -> None:
        if isinstance(event, TextPart):
            began.set()

    engine = replace(limited(world), agent=agent)
    task = asyncio.create_task(run_turn(engine, world.message("one"), on_event=watch))
    await began.wait()
    await stop(world)
    await world.clock.let_pass(16)
    await world.clock.let_pass(21)
    return await task


async def test_a_running_turn_is_stopped_and_kept(world) -> None:
    """The agent is interrupted, its work is committed, and the reply ends with the operator's reason."""
    turn = await _stopped_while_running(world, Working())
    assert turn.line.reply == "I began\n\nStopped by the operator: maintenance"
    assert (turn.line.stop_reason, turn.after) == ("stopped", 1)
    assert await world.file("work/half.txt") == b"half done"


async def test_an_agent_that_does_not_stop_is_cut_off(world) -> None:
    """After the grace time the turn is ended all the same, and the next delivery of its message is refused in words."""
    with pytest.raises(AgentFailed, match="did not stop"):
        await _stopped_while_running(world, Working(deaf=True))
    turn = await world.turn(limited(world, "w2"), "one")
    assert (turn.how, turn.line.stop_reason, turn.after) == ("refused", "not_started", 1)


# ---------------------------------------------------------------------------------------------- money


async def test_a_session_without_money_is_refused(world) -> None:
    """The turn after the one that used the rest is answered in words, without the agent."""
    worker = limited(world, max_usd_per_session=2 * PRICE)
    turns = [await world.turn(worker, text) for text in ("one", "two", "three")]
    assert [turn.how for turn in turns] == ["ran", "ran", "refused"]
    assert turns[2].line.stop_reason == "session_limit"
    assert len(world.agent.runs) == 2


async def test_the_agent_is_told_what_is_left(world) -> None:
    """The smaller of the turn's limit and what the session has left goes to the agent, with the other limits."""
    worker = limited(
        world, max_usd_per_session=3.5 * PRICE, max_usd_per_turn=3 * PRICE, max_agent_turns=7, turn_seconds=60.0
    )
    for text in ("one", "two"):
        await world.turn(worker, text)
    assert [run.max_usd for run in world.agent.runs] == [pytest.approx(3 * PRICE), pytest.approx(2.5 * PRICE)]
    assert (world.agent.runs[0].max_turns, world.agent.runs[0].turn_seconds) == (7, 60.0)


async def test_a_day_is_limited_across_sessions_and_workers(world) -> None:
    """Two sessions on two workers share the day's money, and the next day has new money."""
    one, two = (limited(world, name, max_usd_per_day=2 * PRICE) for name in ("w1", "w2"))
    await world.turn(one, "one")
    bobs = await run_turn(two, replace(world.message("hi"), key=BOB))
    refused = await world.turn(two, "two")
    assert (bobs.how, refused.how, refused.line.stop_reason) == ("ran", "refused", "day_limit")
    world.clock.advance(86400)
    assert (await world.turn(one, "three")).how == "ran"


async def test_a_stored_limit_counts_before_the_settings(world) -> None:
    """What an operator set for the tenant replaces the worker's own setting."""
    await set_quotas(world.observer, world.observer.stores("acme"), {"max_usd_per_session": PRICE})
    worker = limited(world, max_usd_per_session=100.0)
    await world.turn(worker, "one")
    assert (await world.turn(worker, "two")).how == "refused"


async def test_what_a_turn_used_is_in_head_and_ledger(world) -> None:
    """Model calls, wall time and money of each turn add up in the head."""
    worker = limited(world)

    async def slowly(event) -> None:
        world.clock.advance(0.5)

    await run_turn(worker, world.message("one"), on_event=slowly)
    turn = await run_turn(worker, world.message("two"), on_event=slowly)
    summary = (await world.head()).summary
    assert (turn.line.agent_turns, turn.line.seconds) == (1, 2.0)
    assert (summary.agent_turns, summary.seconds, summary.usd) == (2, 4.0, 2 * PRICE)


# ----------------------------------------------------------------------------------------- concurrency


async def _while_one_runs(world, then, **quotas: object):
    """What `then` returns, called while a turn of Ada's runs on another worker."""
    found = []

    async def pause(event) -> None:
        if isinstance(event, TextPart) and not found:
            found.append(await then())

    turn = await run_turn(limited(world, **quotas), world.message("one"), on_event=pause)
    assert turn.how == "ran"
    return found[0]


async def test_a_turn_too_many_waits(world) -> None:
    """While the one turn runs that may, another session is busy and untouched; afterwards it has its turn."""
    other, message = limited(world, "w2", max_concurrent_turns=1), replace(world.message("hi"), key=BOB)
    found = await _while_one_runs(world, lambda: run_turn(other, message), max_concurrent_turns=1)
    assert found == Busy("turns of the tenant that run already: 1")
    turn = await run_turn(other, message)
    assert (turn.how, turn.before, await running(world)) == ("ran", 0, 0)


async def test_waiting_costs_no_receive(world) -> None:
    """A message that waits for a place is given back as it was, however often."""
    worker = limited(world, "w2", max_concurrent_turns=1)
    queued = replace(world.message("hi"), key=BOB)
    from outlive.core.messages import encode_inbound

    async def deliver() -> list[int]:
        receives = []
        await worker.queue.send(Message("acme:console:bob", "m1", encode_inbound(queued)))
        for _ in range(5):
            delivery = await worker.queue.receive(visibility=30, wait=0)
            receives.append(delivery.receives)
            await work_one(worker, delivery)
            world.clock.advance(1.1)
        return receives

    assert await _while_one_runs(world, deliver, max_concurrent_turns=1) == [1] * 5
    assert (await worker.queue.depth()).dead == 0


async def test_money_set_aside_makes_others_wait(world) -> None:
    """With a limit per turn, what a running turn may still cost is not given to another."""
    quotas = {"max_usd_per_day": 1.5 * PRICE, "max_usd_per_turn": 1.5 * PRICE}
    other, message = limited(world, "w2", **quotas), replace(world.message("hi"), key=BOB)
    found = await _while_one_runs(world, lambda: run_turn(other, message), **quotas)
    assert isinstance(found, Busy)
    turn = await run_turn(other, message)
    assert (turn.how, world.agent.runs[-1].max_usd) == ("ran", pytest.approx(0.5 * PRICE))


async def test_a_dead_worker_frees_its_place_within_a_lease(world) -> None:
    """The place of a worker that died is taken by another session as soon as the dead one's lease is over."""
    one, message = limited(world, max_concurrent_turns=1), replace(world.message("hi"), key=BOB)
    task = asyncio.create_task(run_turn(replace(one, agent=Working()), world.message("one")))
    while not await running(world):  # noqa: ASYNC110 - what is waited for is a record
        await asyncio.sleep(0.001)
    rows = dict(world.server.rows)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    world.server.rows.update(rows)  # as if it had died: nothing was given back
    other = limited(world, "w2", max_concurrent_turns=1)
    assert isinstance(await run_turn(other, message), Busy)
    world.clock.advance(31)
    assert (await run_turn(other, message)).how == "ran"


async def test_a_long_turn_keeps_its_place(world) -> None:
    """A turn that runs for ten leases still counts, because its lease is renewed and is what is looked at."""
    other, message = limited(world, "w2", max_concurrent_turns=1), replace(world.message("hi"), key=BOB)

    async def much_later():
        for _ in range(60):
            await world.clock.let_pass(5)
        return await run_turn(other, message)

    assert isinstance(await _while_one_runs(world, much_later, max_concurrent_turns=1), Busy)


async def test_many_at_once_never_exceed_the_places(world) -> None:
    """Ten sessions on ten workers begin at the same time, and never do more than three run."""
    now, most = 0, 0

    async def one(number: int) -> str:
        worker, key = limited(world, f"w{number}", max_concurrent_turns=3), session_key("acme", "console", f"u{number}")

        async def watch(event) -> None:
            nonlocal now, most
            now += isinstance(event, SessionSeen)
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= isinstance(event, TurnDone)

        while isinstance(turn := await run_turn(worker, replace(world.message("hi"), key=key), on_event=watch), Busy):  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        return turn.how

    assert await asyncio.gather(*(one(number) for number in range(10))) == ["ran"] * 10
    assert 1 < most <= 3
    assert (await spent(world), await running(world)) == (pytest.approx(10 * PRICE), 0)


# ----------------------------------------------------------------------------------------------- faults


async def test_unknown_limits_let_nothing_run(world) -> None:
    """While the table does not say what is allowed, no turn starts."""
    plan = Plan(every("table.read", ErrorBefore()), clock=world.clock)
    with pytest.raises(Unavailable):
        await world.turn(limited(world, plan=plan), "one")
    assert world.agent.runs == []


async def test_a_damaged_limits_record_is_named(world) -> None:
    """A record that cannot be read stops the turn with the record's name, and the session is free afterwards."""
    table = world.observer.stores("acme").table
    await table.write(CONTROL_KEY, b"{}", expected=Absent(), lease=Free(), expires_at=None)
    with pytest.raises(Corrupt, match="control/limits"):
        await world.turn(limited(world), "one")
    assert (await world.lease_owner(), world.agent.runs) == (None, [])
