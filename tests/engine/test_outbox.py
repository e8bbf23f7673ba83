"""Replies that a channel cannot take: kept, tried again by themselves, given up in the end."""

from __future__ import annotations

from dataclasses import replace

import pytest
import pytest_asyncio

from outlive.errors import NotFound, Unavailable, Undelivered
from outlive.flows.delivery.retry_outbox import dead_replies, retry_outboxes, waiting_outboxes
from outlive.flows.work_queue import work_one
from outlive.testing.faults import Crash, CrashAfter, CrashBefore, Plan, on
from tests.engine.queued import Vendor, post, receive, work

HOUR = 3600.0


@pytest_asyncio.fixture
async def vendor() -> Vendor:
    """The console's other side."""
    return Vendor()


@pytest.fixture
def engine(world, vendor):
    """A worker whose channel leads to the vendor."""
    return replace(world.worker(), channels={"console": vendor})


@pytest.mark.defect(13)
async def test_a_vendor_that_is_down_costs_neither_a_turn_nor_a_queue_message(world, engine, vendor) -> None:
    """While the vendor is down the message is acknowledged and answered once; ten minutes later the reply goes out."""
    vendor.down = Unavailable("502")
    await post(engine, "one")
    assert await work(engine) == 1
    for _ in range(20):
        world.clock.advance(30)
        await retry_outboxes(engine)
    vendor.down = None
    world.clock.advance(300)
    await retry_outboxes(engine)
    assert (vendor.texts, len(world.agent.runs)) == (["Message 1: one"], 1)
    assert (await world.head()).outbox == ()
    assert await waiting_outboxes(engine) == []


async def test_tries_become_rarer(world, engine, vendor) -> None:
    """Ten minutes of failures make eight tries at most."""
    vendor.down = Unavailable("502")
    await post(engine, "one")
    await work(engine)
    for _ in range(600):
        world.clock.advance(1)
        await retry_outboxes(engine)
    assert 5 <= vendor.tries <= 8


async def test_the_pause_a_vendor_asks_for_is_kept(world, engine, vendor) -> None:
    """After a 429 with `retry_after` nothing is sent before that time, and then it is."""
    vendor.faults = [Undelivered("429", retry_after=40)]
    await post(engine, "one")
    await work(engine)
    world.clock.advance(39)
    await retry_outboxes(engine)
    assert vendor.tries == 1
    world.clock.advance(2)
    await retry_outboxes(engine)
    assert vendor.texts == ["Message 1: one"]


async def test_progress_comes_back_with_the_next_try(world, engine, vendor) -> None:
    """What a channel said about how far it got is given to it again, so that no chunk goes out twice."""
    vendor.faults = [Undelivered("429", progress="2 of 3")]
    await post(engine, "one")
    await work(engine)
    world.clock.advance(5)
    await retry_outboxes(engine)
    assert [reply.progress for reply in vendor.replies] == ["2 of 3"]


async def test_a_storm_of_429_keeps_the_order(world, engine, vendor) -> None:
    """Replies of one chat go out in the order of their turns, however often the vendor refuses."""
    vendor.faults = [Undelivered("429", retry_after=5)] * 7
    await post(engine, *"abcde")
    await work(engine)
    for _ in range(300):
        world.clock.advance(10)
        await retry_outboxes(engine)
    assert vendor.texts == [f"Message {n}: {text}" for n, text in enumerate("abcde", start=1)]
    assert len(world.agent.runs) == 5


async def test_a_new_turn_waits_behind_a_reply_that_waits(world, engine, vendor) -> None:
    """While an older reply waits for its time, a newer one of the same chat is not sent before it."""
    vendor.faults = [Undelivered("429", retry_after=60)]
    await post(engine, "one", "two")
    await work(engine)
    assert vendor.tries == 1
    world.clock.advance(61)
    await retry_outboxes(engine)
    assert vendor.texts == ["Message 1: one", "Message 2: two"]


async def test_a_blocked_bot_is_settled_at_once(world, engine, vendor) -> None:
    """A permanent error is tried once, leaves a note with its reason, and the conversation goes on."""
    vendor.faults = [NotFound("the bot was blocked")]
    await post(engine, "one", "two")
    await work(engine)
    (note,) = await dead_replies(engine, engine.stores("acme"))
    assert (note.turn, note.tries, note.error) == (1, 1, "the bot was blocked")
    assert vendor.texts == ["Message 2: two"]
    assert await world.answers() == ["one", "two"]


async def test_a_reply_is_given_up_in_the_end(world, engine, vendor) -> None:
    """After `give_up_seconds` of failures the reply leaves the outbox with a note, and nothing is tried again."""
    vendor.down = Unavailable("502")
    await post(engine, "one")
    await work(engine)
    for _ in range(30):
        world.clock.advance(HOUR)
        await retry_outboxes(engine)
    (note,) = await dead_replies(engine, engine.stores("acme"))
    assert note.error == "given up: 502"
    assert (await world.head()).outbox == ()


async def test_a_defect_of_a_channel_fails_no_turn(world, engine, vendor) -> None:
    """A channel that raises something unexpected is treated as down."""
    vendor.faults = [KeyError("chat")]
    await post(engine, "one")
    await work(engine)
    world.clock.advance(5)
    await retry_outboxes(engine)
    assert vendor.texts == ["Message 1: one"]


async def test_a_worker_without_the_channel_leaves_the_reply_to_one_that_has_it(world, engine, vendor) -> None:
    """A reply whose channel is not set up on the worker that ran the turn goes out from another worker."""
    await post(engine, "one")
    await work(replace(engine, channels={}))
    world.clock.advance(31)
    await retry_outboxes(engine)
    assert vendor.texts == ["Message 1: one"]


@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()], ids=["before", "after"])
@pytest.mark.parametrize("call", ["channel.deliver", "table.write"])
async def test_a_crash_around_the_send_costs_no_reply(world, vendor, call, action) -> None:
    """A worker that dies before or after the commit or the send leaves exactly one turn, and at least one reply."""
    nth = 1 if call == "channel.deliver" else 3
    plan = Plan(on(call, action, nth=nth), clock=world.clock)
    dying = world.worker("w1", plan)
    await post(dying, "one")
    delivery = await receive(dying)
    with pytest.raises(Crash):
        await work_one(dying, delivery)
    world.clock.advance(31)
    await work(world.worker("w2"))
    world.clock.advance(31)
    await retry_outboxes(world.worker("w2"))
    assert await world.answers() == ["one"]
    assert 1 <= len(world.inbox.replies) <= 2
    assert {reply.text for reply in world.inbox.replies} == {"Message 1: one"}
