"""What the flows tell while they run: every fault of a store, a lease or a channel, and what a turn took."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from outlive.core.telemetry import (
    FenceRefused,
    LeaseTakenOver,
    MessageDead,
    ReplyDelivered,
    ReplyGivenUp,
    ReplyPutOff,
    TranscriptNotWritten,
    TreeHydrated,
    TurnEnded,
    TurnFailed,
    TurnNotDurable,
    TurnWaits,
)
from outlive.errors import LeaseLost, NotFound, Unavailable
from outlive.flows.delivery.retry_outbox import retry_outboxes
from outlive.flows.delivery.tell_dead import tell_dead
from outlive.flows.limits.read_gauges import read_gauges
from outlive.flows.run_turn import run_turn
from outlive.flows.turn.hold_lease import Busy
from outlive.protocols import TextPart
from outlive.testing.faults import Crash, CrashBefore, ErrorBefore, Plan, every, first_of, on
from tests.engine.queued import Vendor, post, work


async def test_a_turn_is_told_with_its_steps_and_its_use(world, ear) -> None:
    """A turn is one event with the seconds of every step, its tokens and its money, about its session and message."""
    await world.turn(ear.on(world.worker()), "hello")
    (ended,) = ear.of(TurnEnded)
    assert (ended.outcome, ended.how, ended.stop_reason, ended.usd) == ("done", "ran", "end_turn", 0.001)
    assert (ended.input_tokens, ended.output_tokens, ended.model_calls) == (5, len("Message 1: hello"), 1)
    assert list(ended.steps) == ["lease", "hydrate", "agent", "commit", "deliver", "release"]
    about = next(told.about for told in ear.told if told.event is ended)
    assert (about.tenant, about.session_key, about.message_id, about.turn) == (
        "acme",
        "acme:console:ada:default",
        "hello",
        1,
    )
    assert about.session_id == (await world.head()).session_id


async def test_each_tier_of_hydration_is_told(world, ear) -> None:
    """A new session is empty, the next turn on the same disk up to date, one elsewhere restored, then caught up."""
    one, two = ear.on(world.worker("one")), ear.on(world.worker("two"))
    for number, engine in enumerate((one, one, two, one)):
        await world.turn(engine, f"message {number}")
    tiers = [(each.tier, bool(each.packs), bool(each.size)) for each in ear.of(TreeHydrated)]
    assert tiers == [
        ("empty", False, False),
        ("up to date", False, False),
        ("restored", True, True),
        ("caught up", True, True),
    ]


async def test_a_repeat_costs_nothing_again(world, ear) -> None:
    """A message that comes again is told as a repeat that used no token and no money."""
    engine = ear.on(world.worker())
    for _ in range(2):
        await world.turn(engine, "hello")
    again = ear.of(TurnEnded)[1]
    assert (again.how, again.usd, again.input_tokens, again.model_calls) == ("repeat", 0.0, 0, 0)
    assert ear.sample("outlive_cost_usd_total 0.001")


async def test_a_turn_that_cannot_be_committed_is_told_as_not_durable(world, ear) -> None:
    """When the pack cannot be written the transcript write, the turn and its durability are each told as failed."""
    await world.turn(world.worker(), "one")
    plan = Plan(every("objects.put", ErrorBefore()), clock=world.clock)
    with pytest.raises(Unavailable):
        await world.turn(ear.on(world.worker("w2", plan)), "two")
    assert [each.stage for each in ear.of(TranscriptNotWritten)] == ["commit"]
    assert [each.fault.kind for each in ear.of(TurnNotDurable)] == ["Unavailable"]
    assert [each.fault.kind for each in ear.of(TurnFailed)] == ["Unavailable"]
    assert ear.of(TurnEnded) == []


async def test_a_flush_that_fails_is_told_and_fails_no_turn(world, ear) -> None:
    """A flush window whose pack cannot be written is told; the commit stores the same bytes and the turn ends well."""
    first_flush = first_of(*(on("objects.put", ErrorBefore(), nth=nth) for nth in range(1, 5)))
    await world.turn(ear.on(world.worker("w1", Plan(first_flush, clock=world.clock))), "one", paced=True)
    assert [each.stage for each in ear.of(TranscriptNotWritten)] == ["flush"]
    assert [each.outcome for each in ear.of(TurnEnded)] == ["done"]


async def test_a_takeover_is_told_and_an_orderly_end_is_not(world, ear) -> None:
    """The turn after a worker that died is told as a takeover with its flushes; the one after that is not."""
    dying = world.worker("dying", Plan(on("agent.run", CrashBefore()), clock=world.clock))
    with suppress(Crash):
        await world.turn(dying, "one")
    world.clock.advance(31)
    engine = ear.on(world.worker("heir"))
    await world.turn(engine, "one")
    await world.turn(engine, "two")
    assert len(ear.of(LeaseTakenOver)) == 1
    assert ear.sample("outlive_lease_takeovers_total 1")


async def test_a_write_of_an_overtaken_worker_is_told_as_refused(world, ear) -> None:
    """A worker whose session has passed on is told as refused by its fence and as not durable, not as a failed turn."""
    slow, quick = ear.on(world.worker("slow")), world.worker("quick")

    async def pause(event) -> None:
        if isinstance(event, TextPart) and not ear.of(FenceRefused) and len(world.agent.runs) == 1:
            world.clock.advance(31)
            await world.turn(quick, "one")

    with pytest.raises(LeaseLost):
        await run_turn(slow, world.message("one"), on_event=pause)
    assert {each.doing for each in ear.of(FenceRefused)} == {"write"}
    assert [each.fault.kind for each in ear.of(TurnNotDurable)] == ["LeaseLost"]
    assert ear.of(TurnFailed) == []


async def test_a_message_whose_session_is_held_is_told_as_waiting(world, ear) -> None:
    """A second worker that finds the session held tells so, and neither an end nor a failure."""
    other = ear.on(world.worker("other"))

    async def meanwhile(event) -> None:
        if isinstance(event, TextPart) and not ear.told:
            assert isinstance(await run_turn(other, world.message("two")), Busy)

    await run_turn(world.worker(), world.message("one"), on_event=meanwhile)
    assert [type(told.event) for told in ear.told] == [TurnWaits]


async def test_a_reply_is_told_with_its_age_until_it_is_delivered(world, ear) -> None:
    """A reply that fails once is put off, shows in the gauges with its age, and is told as delivered a minute old."""
    vendor = Vendor(faults=[Unavailable("502")])
    engine = ear.on(replace(world.worker(), channels={"console": vendor}))
    await post(engine, "one")
    await work(engine)
    world.clock.advance(60)
    gauges = {update.metric.name: update.value for update in await read_gauges(engine)}
    await retry_outboxes(engine)
    (put_off,), (delivered,) = ear.of(ReplyPutOff), ear.of(ReplyDelivered)
    assert (put_off.channel, put_off.tries, put_off.fault.detail) == ("console", 1, "502")
    assert (delivered.tries, round(delivered.age)) == (2, 60)
    assert (gauges["outlive_outbox_sessions"], round(gauges["outlive_outbox_oldest_seconds"])) == (1, 60)


async def test_a_reply_that_is_given_up_is_told(world, ear) -> None:
    """A chat that is gone makes its reply one that was given up, about its own session and message."""
    engine = ear.on(replace(world.worker(), channels={"console": Vendor(down=NotFound("no such chat"))}))
    await post(engine, "one")
    await work(engine)
    (told,) = [told for told in ear.told if isinstance(told.event, ReplyGivenUp)]
    assert (told.event.channel, told.event.fault.kind, told.about.message_id) == ("console", "NotFound", "one")


async def test_a_dead_letter_is_told_once(world, ear) -> None:
    """A message that failed too often is told as dead by one of the workers that look, and by no other."""
    plan = Plan(every("objects.put", ErrorBefore()), clock=world.clock)
    broken = world.worker("broken", plan)
    await post(broken, "one")
    for _ in range(6):
        await work(broken)
        world.clock.advance(600)
    for engine in (ear.on(world.worker("a")), ear.on(world.worker("b"))):
        await tell_dead(engine)
    assert [told.about.message_id for told in ear.told if isinstance(told.event, MessageDead)] == ["one"]


async def test_a_listener_that_fails_is_counted_and_harms_nobody(world, ear) -> None:
    """A turn with a listener that raises ends as ever, the others hear everything, and its errors are counted."""

    def broken(_told) -> None:
        raise ZeroDivisionError

    engine = ear.on(world.worker(), broken)
    turn = await world.turn(engine, "hello")
    assert turn.line.reply == "Message 1: hello"
    assert engine.telemetry.take_faults() == [("ZeroDivisionError", len(ear.told))]


async def test_telemetry_asks_the_stores_for_nothing(new_world, ear) -> None:
    """Two turns make the same requests with listeners and spans as without."""
    counted = []
    for heard in (False, True):
        world = new_world()
        engine = ear.on(world.worker()) if heard else world.worker()
        for text in ("one", "two"):
            await world.turn(engine, text)
        counted.append(world.counts.calls)
    assert counted[0] == counted[1]
    assert len(ear.of(TurnEnded)) == 2
