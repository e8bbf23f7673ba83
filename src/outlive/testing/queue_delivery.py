"""The contract of a queue's deliveries: in order, at least once, by current receipts."""

from __future__ import annotations

import asyncio

import pytest

from outlive.protocols import Message, Queue, QueueDepth
from outlive.testing.clock import ManualClock
from outlive.testing.contract import needs
from outlive.testing.queue_contract import (
    QueueContract,
    drain,
    is_refused,
    name,
    nothing,
    receive,
    send,
)


class OrderPerGroup(QueueContract):
    """Messages of a group are delivered one at a time, in the order sent; groups do not wait for each other."""

    async def test_another_handle_receives_what_was_sent(self, queue: Queue, other: Queue, clock: ManualClock) -> None:
        """A delivery carries the message as sent, its first receive and the time of sending."""
        sent_at = clock.now()
        await queue.send(Message("g", "id", b"body"))
        clock.advance(5)
        delivery = await receive(other)
        assert delivery.message == Message("g", "id", b"body")
        assert (delivery.receives, delivery.sent_at) == (1, sent_at)

    async def test_messages_come_in_the_order_sent(self, queue: Queue, other: Queue) -> None:
        """Received one by one, all messages come oldest first, groups interleaved as they were sent."""
        await send(queue, "a/1", "b/1", "a/2", "c/1", "b/2")
        assert await drain(other) == ["a/1", "b/1", "a/2", "c/1", "b/2"]

    async def test_a_group_with_a_message_in_flight_delivers_nothing_else(self, queue: Queue, other: Queue) -> None:
        """While a message is with a worker its group waits, and other groups go on."""
        await send(queue, "a/1", "a/2", "b/1")
        first = await receive(queue)
        assert name(await receive(other)) == "b/1"
        assert await nothing(other)
        await queue.ack(first)
        assert name(await receive(other)) == "a/2"

    @needs("a clock of its caller's")
    async def test_a_delayed_message_is_not_overtaken_in_its_group(self, queue: Queue, clock: ManualClock) -> None:
        """A message given back with a delay holds up its own group only, and comes first when the delay is over."""
        await send(queue, "a/1", "a/2", "b/1")
        await queue.give_back(await receive(queue), delay=10, reason="later")
        assert await drain(queue) == ["b/1"]
        clock.advance(9.5)
        assert await nothing(queue)
        clock.advance(0.5)
        assert await drain(queue) == ["a/1", "a/2"]

    async def test_concurrent_workers_share_the_groups(self, queue: Queue, other: Queue) -> None:
        """Eight workers on two handles deliver each of 40 messages once, each group in order, one at a time."""
        names = [f"g{n % 5}/{n:02}" for n in range(40)]
        await send(queue, *names)
        seen: list[str] = []
        running: set[str] = set()
        await asyncio.gather(*(_work((queue, other)[n % 2], seen, running) for n in range(8)))
        rest = await drain(queue)
        assert sorted(seen + rest) == sorted(names)
        for group in range(5):
            of_group = [n for n in seen + rest if n.startswith(f"g{group}/")]
            assert of_group == sorted(of_group)


async def _work(queue: Queue, seen: list[str], running: set[str]) -> None:
    while delivery := await queue.receive(visibility=1000, wait=0):
        group = delivery.message.group
        assert group not in running, f"two messages of {group} at once"
        running.add(group)
        seen.append(name(delivery))
        await asyncio.sleep(0)
        running.remove(group)
        await queue.ack(delivery)


class AtLeastOnce(QueueContract):
    """A message stays until it is acknowledged."""

    @needs("a clock of its caller's")
    async def test_what_is_not_acknowledged_comes_again(self, queue: Queue, clock: ManualClock) -> None:
        """When the visibility timeout has run out the message is delivered again, as received twice."""
        await send(queue, "g/1", "g/2")
        first = await receive(queue, visibility=30)
        clock.advance(29.5)
        assert await nothing(queue)
        clock.advance(0.5)
        again = await receive(queue)
        assert (again.id, again.message, again.receives) == (first.id, first.message, 2)

    async def test_what_is_acknowledged_never_comes_again(self, queue: Queue, clock: ManualClock) -> None:
        """An acknowledged message is gone for good."""
        await send(queue, "g/1")
        await queue.ack(await receive(queue))
        clock.advance(1000)
        assert await nothing(queue)
        assert await queue.depth() == QueueDepth(0, 0, 0)

    @needs("a clock of its caller's")
    async def test_an_extended_message_stays_with_its_worker(self, queue: Queue, clock: ManualClock) -> None:
        """`extend` counts from now: the message comes again that long after the call and not before."""
        await send(queue, "g/1")
        delivery = await receive(queue, visibility=30)
        clock.advance(20)
        await queue.extend(delivery, 30)
        clock.advance(29.5)
        assert await nothing(queue)
        clock.advance(0.5)
        assert not await nothing(queue)

    async def test_a_message_given_back_comes_again_at_once(self, queue: Queue, other: Queue) -> None:
        """Given back without delay a message is deliverable at once, counted as received."""
        await send(queue, "g/1")
        await queue.give_back(await receive(queue), delay=0, reason="failed")
        assert (await receive(other)).receives == 2

    @needs("taking back a receive")
    async def test_a_receive_can_be_taken_back(self, queue: Queue) -> None:
        """Given back with `count=False` the receive does not count, however often, so nothing dies of it."""
        await send(queue, "g/1")
        for _ in range(3 * self.max_receives):
            delivery = await receive(queue)
            assert delivery.receives == 1
            await queue.give_back(delivery, delay=0, reason="busy", count=False)
        assert await drain(queue) == ["g/1"]

    @needs("a clock of its caller's")
    async def test_receive_waits_as_long_as_asked(self, queue: Queue, clock: ManualClock) -> None:
        """With nothing to deliver `receive` returns None when `wait` seconds have passed, and not before."""
        began = clock.now()
        assert await queue.receive(visibility=30, wait=20) is None
        assert clock.now() - began == pytest.approx(20)

    @needs("a clock of its caller's")
    async def test_receive_returns_what_arrives_while_it_waits(
        self, queue: Queue, other: Queue, clock: ManualClock
    ) -> None:
        """A message that becomes deliverable during the wait is returned then."""
        await send(other, "g/1")
        await other.give_back(await receive(other), delay=7, reason="later")
        began = clock.now()
        assert await queue.receive(visibility=30, wait=20) is not None
        assert 7 <= clock.now() - began < 9


class ReceiptsAreCurrent(QueueContract):
    """Only the latest receiver speaks for a message."""

    @needs("a clock of its caller's")
    async def test_each_receive_has_its_own_receipt(self, queue: Queue, clock: ManualClock) -> None:
        """Receipts differ between receives, whether the earlier one ran out, was given back or taken back."""
        await send(queue, "g/1")
        receipts = []
        for count in (True, False, False):
            delivery = await receive(queue)
            receipts.append(delivery.receipt)
            await queue.give_back(delivery, delay=0, reason="", count=count)
        receipts.append((await receive(queue)).receipt)
        clock.advance(30)
        receipts.append((await receive(queue)).receipt)
        assert len(set(receipts)) == 5

    @needs("a clock of its caller's")
    async def test_an_old_receipt_can_do_nothing(self, queue: Queue, other: Queue, clock: ManualClock) -> None:
        """After another receive the earlier receiver can neither acknowledge, extend nor return the message."""
        await send(queue, "g/1")
        old = await receive(queue)
        clock.advance(30)
        current = await receive(other)
        await is_refused(queue, old)
        await other.ack(current)

    async def test_a_receipt_ends_with_ack_and_give_back(self, queue: Queue) -> None:
        """What was acknowledged or given back cannot be so again."""
        await send(queue, "g/1", "h/1")
        done, returned = await receive(queue), await receive(queue)
        await queue.ack(done)
        await queue.give_back(returned, delay=0, reason="")
        await is_refused(queue, done)
        await is_refused(queue, returned)
        assert await drain(queue) == ["h/1"]
