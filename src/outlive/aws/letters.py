"""The dead letters of an SQS queue: listed, found, and put aside with the reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from outlive.aws.client import translated
from outlive.aws.envelope import Envelope, dedupe_id, group_id, pack, unpack
from outlive.errors import Corrupt, NotFound
from outlive.protocols import DeadLetter, Delivery, Message

BATCH = 10
HIDDEN_SECONDS = 20
"""How long a listing keeps letters to itself should it die halfway."""
UNEXPLAINED = "Received too often without an answer."


@dataclass(frozen=True, slots=True)
class Found:
    """A letter in hand, hidden from other readers until it is given back or removed."""

    letter: DeadLetter
    sent_at: float
    receipt: str


class Letters:
    """The dead-letter queue behind a FIFO queue.

    A letter put aside by a worker has a group of its own, so that all such letters can be listed; of those that SQS
    moved by itself ten per session can be seen at one time.
    """

    def __init__(self, client: Any, url: str, what: str) -> None:  # noqa: ANN401 - see `open_client`
        self._client, self._url, self._what = client, url, what

    async def put(self, delivery: Delivery, died_at: float, reason: str) -> None:
        """Put the delivery's message aside; twice is once."""
        envelope = Envelope(delivery.message, delivery.sent_at, delivery.receives, died_at, reason)
        async with translated(self._what):
            await self._client.send_message(
                QueueUrl=self._url,
                MessageBody=pack(envelope),
                MessageGroupId=group_id(delivery.id),
                MessageDeduplicationId=dedupe_id(delivery.message, delivery.id),
            )

    async def all(self) -> list[DeadLetter]:
        """Every letter that can be seen, in order of id."""
        async with self._opened() as found:
            return [each.letter for each in found]

    @asynccontextmanager
    async def one(self, letter_id: str) -> AsyncIterator[Found]:
        """The letter, removed for good when the block ends well; `NotFound` if there is none."""
        async with self._opened() as found:
            match = next((each for each in found if each.letter.id == letter_id), None)
            if match is None:
                raise NotFound(f"There is no dead letter {letter_id!r}.")
            yield match
            found.remove(match)
            async with translated(self._what):
                await self._client.delete_message(QueueUrl=self._url, ReceiptHandle=match.receipt)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[list[Found]]:
        """All letters in hand; those still in the list when the block ends are given back, oldest first."""
        found: list[Found] = []
        try:
            while batch := await self._receive():
                found += batch
            found.sort(key=lambda each: each.letter.id)
            yield found
        finally:
            for each in found:
                async with translated(self._what):
                    await self._client.change_message_visibility(
                        QueueUrl=self._url, ReceiptHandle=each.receipt, VisibilityTimeout=0
                    )

    async def _receive(self) -> list[Found]:
        async with translated(self._what):
            answer = await self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=BATCH,
                VisibilityTimeout=HIDDEN_SECONDS,
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            )
        return [_found(message) for message in answer.get("Messages", ())]


def _found(message: dict[str, Any]) -> Found:
    sent_ms = int(message["Attributes"]["SentTimestamp"])
    try:
        envelope = unpack(message["Body"])
    except Corrupt as error:
        foreign = Message("unknown", message["MessageId"], message["Body"].encode())
        envelope = Envelope(foreign, sent_ms / 1000, reason=error.message)
    letter = DeadLetter(
        id=f"{sent_ms:015d}-{message['MessageId']}",
        message=envelope.message,
        receives=envelope.receives or int(message["Attributes"]["ApproximateReceiveCount"]) - 1,
        died_at=envelope.died_at or sent_ms / 1000,
        reason=envelope.reason or UNEXPLAINED,
    )
    return Found(letter, envelope.sent_at, message["ReceiptHandle"])
