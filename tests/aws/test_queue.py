"""What the contract suite cannot ask of SQS with a clock of its own: short real waits, and what SQS does by itself."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from outlive.aws.envelope import dedupe_id, group_id, unpack
from outlive.aws.queue import SqsQueue, parse_queue
from outlive.clock import SystemClock
from outlive.errors import Conflict, Corrupt, Invalid, SchemaTooNew
from outlive.protocols import Message, QueueDepth
from outlive.testing.queue_contract import drain, is_refused, message, name, receive, send
from tests.servers import local_aws


async def fail(queue: SqsQueue, times: int, *, count: bool = True) -> None:
    """Receive and give back at once."""
    for _ in range(times):
        await queue.give_back(await receive(queue), delay=0, reason="", count=count)


async def test_a_silent_receiver_loses_its_message(queue: SqsQueue) -> None:
    """After the visibility timeout the message comes again with its second receive, and the old receipt is void."""
    await send(queue, "g/1")
    old = await receive(queue, visibility=1)
    again = await queue.receive(visibility=30, wait=3)
    assert again is not None
    assert (again.id, again.message, again.receives) == (old.id, old.message, 2)
    await is_refused(queue, old)


async def test_a_heartbeat_keeps_the_message(queue: SqsQueue) -> None:
    """A message that is extended in time stays with its receiver beyond its first visibility timeout."""
    await send(queue, "g/1")
    delivery = await receive(queue, visibility=1)
    await queue.extend(delivery, 30)
    assert await queue.receive(visibility=1, wait=2) is None
    await queue.ack(delivery)


async def test_a_delay_holds_up_its_group_alone(queue: SqsQueue) -> None:
    """A message given back with a delay is waited for by its group and by nobody else, and comes first."""
    await send(queue, "a/1", "a/2", "b/1")
    await queue.give_back(await receive(queue), delay=2, reason="later")
    assert await drain(queue) == ["b/1"]
    first = await queue.receive(visibility=30, wait=4)
    assert first is not None
    assert name(first) == "a/1"


async def test_a_receive_waits_no_longer_than_asked(queue: SqsQueue) -> None:
    """An empty queue answers None after the wait."""
    began = time.monotonic()
    assert await queue.receive(visibility=30, wait=1) is None
    assert time.monotonic() - began >= 0.9


async def test_every_receive_has_a_receipt_of_its_own(queue: SqsQueue) -> None:
    """Receipts differ between receives, and one that was given back can do nothing more."""
    await send(queue, "g/1")
    first = await receive(queue)
    await queue.give_back(first, delay=0, reason="")
    second = await receive(queue)
    assert first.receipt != second.receipt
    with pytest.raises(Conflict):
        await queue.ack(first)


async def test_a_message_nobody_settles_is_buried_by_the_service(queue: SqsQueue) -> None:
    """After three receives that ran out SQS moves the message; it is listed with a reason, and can be redriven."""
    await send(queue, "g/1")
    for _ in range(3):
        assert await queue.receive(visibility=1, wait=3) is not None
    assert await queue.receive(visibility=1, wait=3) is None
    (letter,) = await queue.dead_letters()
    assert (letter.message, letter.receives) == (message("g", "1"), 3)
    assert letter.reason
    await queue.redrive(letter.id)
    assert await drain(queue) == ["g/1"]


async def test_a_busy_message_never_dies(queue: SqsQueue) -> None:
    """Given back with `count=False` far more often than a message may be received, it is still delivered, once."""
    await send(queue, "g/1")
    await fail(queue, 10, count=False)
    assert await queue.depth() == QueueDepth(1, 0, 0)
    assert await drain(queue) == ["g/1"]


async def test_a_message_sent_anew_keeps_its_name_and_time(queue: SqsQueue) -> None:
    """Sent anew on its last receive it is received for the first time, as the message it was, sent when it was."""
    await send(queue, "g/1")
    first = await receive(queue)
    await queue.give_back(first, delay=0, reason="", count=False)
    await fail(queue, 2, count=False)
    again = await receive(queue)
    assert (again.message, again.receives, again.sent_at) == (first.message, 1, first.sent_at)


async def test_a_message_sent_anew_is_overtaken_by_its_group(queue: SqsQueue) -> None:
    """What waits behind it in its group comes before it then: the price of not dying."""
    await send(queue, "g/1", "g/2")
    await fail(queue, 3, count=False)
    assert await drain(queue) == ["g/2", "g/1"]


async def test_a_lost_message_is_not_sent_anew(queue: SqsQueue) -> None:
    """Whoever lost the message on its last receive can neither send it anew nor bury it."""
    await send(queue, "g/1")
    await fail(queue, 2)
    last = await receive(queue)
    await queue.ack(last)
    for count in (True, False):
        with pytest.raises(Conflict):
            await queue.give_back(last, delay=0, reason="", count=count)
    assert await queue.depth() == QueueDepth(0, 0, 0)


async def test_a_foreign_message_harms_nobody(queue: SqsQueue, queue_address: str, sqs: Any) -> None:
    """What something else sent is not delivered, dies by itself, and is shown among the dead letters as it came."""
    await sqs.send_message(QueueUrl=queue_address, MessageBody="hi", MessageGroupId="x", MessageDeduplicationId="x")
    await send(queue, "g/1")
    assert await queue.receive(visibility=1, wait=0) is None
    assert name(await receive(queue)) == "g/1"
    for _ in range(3):
        await queue.receive(visibility=1, wait=2)
    (letter,) = await queue.dead_letters()
    assert letter.message.body == b"hi"
    assert "none of outlive's" in letter.reason


async def test_a_listing_hides_no_letter_from_the_next(queue: SqsQueue) -> None:
    """Two listings at once, and one after, leave every letter where it was."""
    await send(queue, "g/1", "h/1")
    await fail(queue, 6)
    await asyncio.gather(queue.dead_letters(), queue.dead_letters())
    assert len(await queue.dead_letters()) == 2


async def test_names_inside_the_envelope_are_the_real_ones(queue: SqsQueue, queue_address: str, sqs: Any) -> None:
    """SQS sees digests of at most 128 of its characters, and the body is ASCII with the message in it."""
    odd = Message("g\x00é" * 500, "\U0001f600", b"\xff\x00")
    await queue.send(odd)
    found = await sqs.receive_message(QueueUrl=queue_address, MessageSystemAttributeNames=["All"])
    (seen,) = found["Messages"]
    assert seen["Attributes"]["MessageGroupId"] == group_id(odd.group)
    assert len(seen["Attributes"]["MessageDeduplicationId"]) == 64
    assert seen["Body"].isascii()
    assert unpack(seen["Body"]).message == odd


def test_digests_tell_neighbours_apart() -> None:
    """Where group ends and id begins is part of the digest."""
    assert dedupe_id(Message("a", "bc", b"")) != dedupe_id(Message("ab", "c", b""))
    assert dedupe_id(Message("a", "b", b"")) != dedupe_id(Message("a", "b", b""), "again")


def test_an_envelope_of_a_newer_outlive_is_named() -> None:
    """A higher schema number asks for an upgrade; what is no envelope is `Corrupt`."""
    with pytest.raises(SchemaTooNew):
        unpack(json.dumps({"v": 2}))
    for text in ("", "[]", "{}", "null", '{"v": 1, "group": "g", "id": "i", "sent_at": 1, "body": "%"}'):
        with pytest.raises(Corrupt):
            unpack(text)


def test_queues_are_named_by_url_or_address() -> None:
    """Both `sqs://` and the address SQS gives name the queue, its region and its endpoint."""
    ours = parse_queue("sqs://jobs.fifo?region=eu-west-1")
    aws = parse_queue("https://sqs.eu-west-1.amazonaws.com/123456789012/jobs.fifo")
    local = parse_queue("http://127.0.0.1:4566/000000000000/jobs.fifo")
    assert ours == aws
    assert (local.name, local.endpoint) == ("jobs.fifo", "http://127.0.0.1:4566")


@pytest.mark.parametrize("url", ["sqs://jobs", "sqs://", "https://sqs.eu-west-1.amazonaws.com/1/jobs"])
def test_a_queue_without_order_is_refused(url: str) -> None:
    """A standard queue, or none, is `Invalid`."""
    with pytest.raises(Invalid):
        parse_queue(url)


async def test_a_queue_without_dead_letters_is_refused(sqs: Any) -> None:
    """A queue where a poisoned message would block its group for ever is `Invalid` on first use."""
    made = await sqs.create_queue(QueueName="bare.fifo", Attributes={"FifoQueue": "true"})
    queue = await SqsQueue.open(f"sqs://bare.fifo?region=us-east-1&endpoint={local_aws()}", clock=SystemClock())
    with pytest.raises(Invalid, match="dead-letter"):
        await queue.ping()
    await queue.close()
    await sqs.delete_queue(QueueUrl=made["QueueUrl"])
