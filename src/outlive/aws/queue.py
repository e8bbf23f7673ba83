"""A queue on SQS FIFO: a group per session, dead letters with their reason, no receive taken back."""

from __future__ import annotations

import asyncio
import json
import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from outlive.aws.client import Place, code_of, open_client, parse_place, translated
from outlive.aws.envelope import Envelope, dedupe_id, group_id, pack, unpack
from outlive.aws.letters import Letters
from outlive.core.limits import check_limit, check_text, storable
from outlive.errors import Conflict, Corrupt, Invalid
from outlive.protocols import Clock, DeadLetter, Delivery, Message, QueueDepth

POLL_SECONDS = 20
"""The longest wait that SQS knows."""
READ_SECONDS = 30.0
MAX_VISIBILITY = 43_200
SETTLING_SECONDS = 30
"""How long a message stays where it is while it is put aside or sent anew."""
REMEMBERED = 1000
"""Receipts given back that this handle remembers: SQS lets some of them speak on."""

STALE = {"ReceiptHandleIsInvalid", "MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"}
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesNotVisible")


@dataclass(frozen=True, slots=True)
class _Behind:
    """What the service was asked once."""

    url: str
    letters: Letters
    letters_url: str
    max_receives: int


class SqsQueue:
    """Messages in a FIFO queue with a dead-letter queue behind it.

    SQS cannot take back a receive: `give_back(count=False)` sends the message anew, at the end of its group, when it
    would die otherwise. It does not tell a repeat from a first send either: `send` answers True.
    """

    def __init__(self, client: Any, place: Place, stack: AsyncExitStack, *, clock: Clock) -> None:  # noqa: ANN401
        """Use `SqsQueue.open`."""
        self._client, self._place, self._stack, self._clock = client, place, stack, clock
        self._what = f"SQS queue {place.name}"
        self._found: _Behind | None = None
        self._finding = asyncio.Lock()
        self._returned: OrderedDict[str, None] = OrderedDict()

    @classmethod
    async def open(cls, url: str, *, clock: Clock) -> SqsQueue:
        """`sqs://NAME.fifo?region=…` or the queue's own `https://…` URL; nothing is asked of the service yet.

        `Invalid` for a URL that is none, and for a queue that is no FIFO queue.
        """
        place, stack = parse_queue(url), AsyncExitStack()
        client = await open_client("sqs", place, stack, read_seconds=READ_SECONDS)
        return cls(client, place, stack, clock=clock)

    async def send(self, message: Message) -> bool:
        check_text("message group", message.group)
        check_text("dedupe id", message.dedupe_id)
        await self._send(Envelope(message, self._clock.now()))
        return True

    async def receive(self, *, visibility: float, wait: float) -> Delivery | None:
        left = max(0, math.ceil(wait))
        while True:
            now = min(left, POLL_SECONDS)
            message = await self._receive(visibility, now)
            left -= now
            if message is not None:
                return _ours(message)
            if left <= 0:
                return None

    async def extend(self, delivery: Delivery, visibility: float) -> None:
        await self._change_visibility(delivery, visibility)

    async def ack(self, delivery: Delivery) -> None:
        queue = await self._behind()
        async with self._speaking_for(delivery):
            await self._client.delete_message(QueueUrl=queue.url, ReceiptHandle=delivery.receipt)

    async def give_back(self, delivery: Delivery, *, delay: float, reason: str, count: bool = True) -> None:
        """A message on its last receive goes to the dead letters at once, with the reason, or is sent anew."""
        queue = await self._behind()
        if delivery.receives < queue.max_receives:
            await self._change_visibility(delivery, delay)
            self._remember(delivery)
            return
        await self._change_visibility(delivery, SETTLING_SECONDS)  # is it still ours?
        if count:
            await queue.letters.put(delivery, self._clock.now(), storable(reason))
        else:
            await self._send(Envelope(delivery.message, delivery.sent_at), again=delivery.id)
        await self.ack(delivery)

    async def dead_letters(self, *, after: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        check_text("after", after, at_least=0)
        check_limit(limit)
        letters = await (await self._behind()).letters.all()
        return [letter for letter in letters if letter.id > after][:limit]

    async def redrive(self, letter_id: str) -> None:
        check_text("dead letter's id", letter_id)
        async with (await self._behind()).letters.one(letter_id) as found:
            await self._send(Envelope(found.letter.message, found.sent_at), again=letter_id)

    async def purge(self, letter_id: str) -> None:
        """Remove a dead letter for good; `NotFound` if there is none."""
        check_text("dead letter's id", letter_id)
        async with (await self._behind()).letters.one(letter_id):
            pass

    async def waiting(self, group: str, *, limit: int = 100) -> Sequence[Message]:
        """Nothing: SQS shows a message only to who receives it."""
        check_text("message group", group)
        check_limit(limit)
        await self.ping()
        return []

    async def depth(self) -> QueueDepth:
        """SQS counts approximately, and a message that was given back with a delay as in flight."""
        queue = await self._behind()
        waiting, delayed, in_flight = await self._count(queue.url)
        return QueueDepth(waiting + delayed, in_flight, sum(await self._count(queue.letters_url)))

    async def ping(self) -> None:
        await self._count((await self._behind()).url)

    async def close(self) -> None:
        await self._stack.aclose()

    async def _send(self, envelope: Envelope, again: str = "") -> None:
        queue = await self._behind()
        async with translated(self._what):
            await self._client.send_message(
                QueueUrl=queue.url,
                MessageBody=pack(envelope),
                MessageGroupId=group_id(envelope.message.group),
                MessageDeduplicationId=dedupe_id(envelope.message, again),
            )

    async def _receive(self, visibility: float, wait: int) -> dict[str, Any] | None:
        queue = await self._behind()
        async with translated(self._what):
            answer = await self._client.receive_message(
                QueueUrl=queue.url,
                MaxNumberOfMessages=1,
                VisibilityTimeout=_seconds(visibility),
                WaitTimeSeconds=wait,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return next(iter(answer.get("Messages", ())), None)

    async def _change_visibility(self, delivery: Delivery, seconds: float) -> None:
        queue = await self._behind()
        async with self._speaking_for(delivery):
            await self._client.change_message_visibility(
                QueueUrl=queue.url, ReceiptHandle=delivery.receipt, VisibilityTimeout=_seconds(seconds)
            )

    @asynccontextmanager
    async def _speaking_for(self, delivery: Delivery) -> AsyncIterator[None]:
        """`Conflict` when the receipt is no longer current."""
        stale = Conflict(f"Message {delivery.id} is no longer with this receiver.")
        if delivery.receipt in self._returned:
            raise stale
        async with translated(self._what):
            try:
                yield
            except ClientError as error:
                is_stale = code_of(error) in STALE
                if is_stale or (code_of(error) == "InvalidParameterValue" and "eceipt" in str(error)):
                    raise stale from error
                raise

    def _remember(self, delivery: Delivery) -> None:
        self._returned[delivery.receipt] = None
        if len(self._returned) > REMEMBERED:
            self._returned.popitem(last=False)

    async def _count(self, url: str) -> tuple[int, ...]:
        async with translated(self._what):
            answer = await self._client.get_queue_attributes(QueueUrl=url, AttributeNames=list(COUNTS))
        return tuple(int(answer["Attributes"][name]) for name in COUNTS)

    async def _behind(self) -> _Behind:
        async with self._finding:
            if self._found is None:
                self._found = await self._find()
            return self._found

    async def _find(self) -> _Behind:
        """The queue's URL and that of its dead letters; `Invalid` when it has none."""
        async with translated(self._what):
            url = await self._url(self._place.name)
            asked = await self._client.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
            policy = json.loads(asked.get("Attributes", {}).get("RedrivePolicy", "{}"))
            if "deadLetterTargetArn" not in policy:
                raise Invalid(f"{self._what} has no dead-letter queue.", fix="Give it a redrive policy.")
            letters_url = await self._url(policy["deadLetterTargetArn"].rpartition(":")[2])
        letters = Letters(self._client, letters_url, f"{self._what}'s dead-letter queue")
        return _Behind(url, letters, letters_url, int(policy["maxReceiveCount"]))

    async def _url(self, name: str) -> str:
        return str((await self._client.get_queue_url(QueueName=name))["QueueUrl"])


def _ours(message: dict[str, Any]) -> Delivery | None:
    """What was received; a message that is none of ours is left to die."""
    receives = message["Attributes"]["ApproximateReceiveCount"]
    try:
        return delivery_of(message["MessageId"], message["ReceiptHandle"], message["Body"], receives)
    except Corrupt:
        return None


def delivery_of(message_id: str, receipt: str, body: str, receives: str) -> Delivery:
    """A delivery from what SQS says of it, to a receiver or in a function's event; `Corrupt` for what is not ours."""
    envelope = unpack(body)
    return Delivery(message_id, receipt, envelope.message, int(receives), envelope.sent_at)


def parse_queue(url: str) -> Place:
    """The queue that a `sqs://…` or `https://…/ACCOUNT/NAME.fifo` URL names."""
    parts = urlsplit(url)
    if parts.scheme in {"http", "https"}:
        name, host = parts.path.rpartition("/")[2], parts.hostname or ""
        is_aws = host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
        region = host.split(".")[1] if is_aws and host.startswith("sqs.") else None
        place = Place(name, region, None if is_aws else f"{parts.scheme}://{parts.netloc}")
    else:
        place = parse_place(url, "sqs")
    if not place.name.endswith(".fifo"):
        raise Invalid(f"queue {place.name!r} keeps no order.", fix="Use a FIFO queue: its name ends in .fifo.")
    return place


def _seconds(value: float) -> int:
    return min(max(0, math.ceil(value)), MAX_VISIBILITY)
