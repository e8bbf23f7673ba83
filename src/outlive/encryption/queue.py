"""A queue whose messages lie sealed, dead letters included; group and id stay open, for order and repeats need them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from outlive.core.keys import parse_session_key
from outlive.core.tenant_keys import SHARED, owner_of
from outlive.encryption.key_ring import KeyRing
from outlive.encryption.sealing import key_id_of, seal, unseal
from outlive.errors import Corrupt, Invalid, Unavailable
from outlive.protocols import DeadLetter, Delivery, Message, Queue, QueueDepth

LATER = 5.0
"""Seconds after which a message whose key could not be asked for comes again."""


class EncryptedQueue:
    """Implements `protocols.Queue` over one that keeps a message as it was sent until it is removed.

    What was never sealed is passed on as it is: whoever may write into the queue may send messages, sealed or not. What
    does not open any more (its key was destroyed) stays sealed, so that it can be looked at and purged.
    """

    def __init__(self, queue: Queue, ring: KeyRing) -> None:
        """Messages are sealed with the key of the tenant in their group."""
        self._queue, self._ring = queue, ring

    async def send(self, message: Message) -> bool:
        secret = await self._ring.for_writing(_owner(message))
        return await self._queue.send(replace(message, body=seal(secret, message.body, _place(message))))

    async def receive(self, *, visibility: float, wait: float) -> Delivery | None:
        delivery = await self._queue.receive(visibility=visibility, wait=wait)
        if delivery is None:
            return None
        try:
            return replace(delivery, message=await self._opened(delivery.message))
        except Unavailable as error:  # the message is not to blame
            await self._queue.give_back(delivery, delay=LATER, reason=error.message, count=False)
            raise

    async def extend(self, delivery: Delivery, visibility: float) -> None:
        await self._queue.extend(delivery, visibility)

    async def ack(self, delivery: Delivery) -> None:
        await self._queue.ack(delivery)

    async def give_back(self, delivery: Delivery, *, delay: float, reason: str, count: bool = True) -> None:
        await self._queue.give_back(delivery, delay=delay, reason=reason, count=count)

    async def waiting(self, group: str, *, limit: int = 100) -> Sequence[Message]:
        return [await self._opened(message) for message in await self._queue.waiting(group, limit=limit)]

    async def dead_letters(self, *, after: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        found = await self._queue.dead_letters(after=after, limit=limit)
        return [replace(letter, message=await self._opened(letter.message)) for letter in found]

    async def redrive(self, letter_id: str) -> None:
        await self._queue.redrive(letter_id)

    async def purge(self, letter_id: str) -> None:
        await self._queue.purge(letter_id)

    async def depth(self) -> QueueDepth:
        return await self._queue.depth()

    async def ping(self) -> None:
        await self._queue.ping()
        await self._ring.ping()

    async def close(self) -> None:
        await self._queue.close()

    async def _opened(self, message: Message) -> Message:
        key_id = key_id_of(message.body)
        if key_id is None:
            return message
        place = _place(message)
        try:
            secret = await self._ring.for_reading(_owner(message), key_id, place)
            return replace(message, body=unseal(secret, message.body, place))
        except Corrupt:
            return message


def _owner(message: Message) -> str:
    try:
        return owner_of(parse_session_key(message.group).tenant)
    except Invalid:
        return SHARED


def _place(message: Message) -> str:
    return f"message {message.dedupe_id!r} of {message.group!r}"
