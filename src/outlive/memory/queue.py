"""A queue in memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from outlive.core.limits import check_limit, check_text, storable
from outlive.errors import Conflict, NotFound
from outlive.memory.server import MemoryServer, Waiting
from outlive.protocols import Clock, DeadLetter, Delivery, Message, QueueDepth

DAY = 86_400.0


class MemoryQueue:
    """Nothing survives the process; handles on one server share its messages."""

    def __init__(
        self,
        server: MemoryServer | None = None,
        *,
        clock: Clock,
        max_receives: int = 3,
        dedupe_window: float = DAY,
        poll: float = 0.05,
    ) -> None:
        """`dedupe_window` and `poll` (the pause between two looks while `receive` waits) in seconds."""
        self._server = server or MemoryServer()
        self._clock = clock
        self._max_receives = max_receives
        self._dedupe_window = dedupe_window
        self._poll = poll

    async def send(self, message: Message) -> bool:
        check_text("message group", message.group)
        check_text("dedupe id", message.dedupe_id)
        await self._server.answer()
        now, name = self._clock.now(), (message.group, message.dedupe_id)
        sent = self._server.sent
        for old in [n for n, at in sent.items() if at <= now - self._dedupe_window]:
            del sent[old]
        if name in sent:
            return False
        sent[name] = now
        self._enqueue(message, now)
        return True

    async def receive(self, *, visibility: float, wait: float) -> Delivery | None:
        waited = 0.0
        while True:
            await self._server.answer()
            delivery = self._take(visibility)
            if delivery is not None or waited >= wait:
                return delivery
            pause = min(self._poll, wait - waited)
            await self._clock.sleep(pause)
            waited += pause

    async def extend(self, delivery: Delivery, visibility: float) -> None:
        await self._server.answer()
        self._current(delivery).visible_at = self._clock.now() + visibility

    async def ack(self, delivery: Delivery) -> None:
        await self._server.answer()
        self._server.waiting.remove(self._current(delivery))

    async def give_back(self, delivery: Delivery, *, delay: float, reason: str, count: bool = True) -> None:
        await self._server.answer()
        entry = self._current(delivery)
        entry.receipt, entry.reason = None, storable(reason)
        entry.visible_at = self._clock.now() + delay
        entry.receives -= 0 if count else 1

    async def dead_letters(self, *, after: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        check_text("after", after, at_least=0)
        check_limit(limit)
        await self._server.answer()
        ids = sorted(letter_id for letter_id in self._server.letters if letter_id > after)
        return [self._server.letters[letter_id] for letter_id in islice(ids, limit)]

    async def redrive(self, letter_id: str) -> None:
        check_text("dead letter's id", letter_id)
        await self._server.answer()
        letter = self._server.letters.pop(letter_id, None)
        if letter is None:
            raise NotFound(f"There is no dead letter {letter_id!r}.")
        self._enqueue(letter.message, self._clock.now())

    async def purge(self, letter_id: str) -> None:
        check_text("dead letter's id", letter_id)
        await self._server.answer()
        if self._server.letters.pop(letter_id, None) is None:
            raise NotFound(f"There is no dead letter {letter_id!r}.")

    async def waiting(self, group: str, *, limit: int = 100) -> Sequence[Message]:
        check_text("message group", group)
        check_limit(limit)
        await self._server.answer()
        now = self._clock.now()
        own = [entry for entry in self._server.waiting if entry.message.group == group]
        free = (entry.message for entry in own if entry.receipt is None or entry.visible_at <= now)
        return list(islice(free, limit))

    async def depth(self) -> QueueDepth:
        await self._server.answer()
        now = self._clock.now()
        in_flight = sum(e.receipt is not None and e.visible_at > now for e in self._server.waiting)
        idle = [e.sent_at for e in self._server.waiting if e.receipt is None or e.visible_at <= now]
        return QueueDepth(
            len(self._server.waiting) - in_flight, in_flight, len(self._server.letters), min(idle, default=None)
        )

    async def ping(self) -> None:
        await self._server.answer()

    async def close(self) -> None:
        """Nothing was opened."""

    def _enqueue(self, message: Message, now: float) -> None:
        self._server.last_id += 1
        self._server.waiting.append(Waiting(f"{self._server.last_id:020d}", message, now, now))

    def _take(self, visibility: float) -> Delivery | None:
        now = self._clock.now()
        while (entry := self._first_deliverable(now)) is not None:
            if entry.receives < self._max_receives:
                return _deliver(entry, now + visibility)
            self._bury(entry, now)
        return None

    def _first_deliverable(self, now: float) -> Waiting | None:
        blocked: set[str] = set()
        for entry in self._server.waiting:
            group = entry.message.group
            if entry.visible_at <= now and group not in blocked:
                return entry
            blocked.add(group)
        return None

    def _bury(self, entry: Waiting, now: float) -> None:
        self._server.waiting.remove(entry)
        reason = entry.reason or "Received too often without an answer."
        self._server.letters[entry.id] = DeadLetter(entry.id, entry.message, entry.receives, now, reason)

    def _current(self, delivery: Delivery) -> Waiting:
        for entry in self._server.waiting:
            if entry.id == delivery.id and entry.receipt == delivery.receipt:
                return entry
        raise Conflict(f"Message {delivery.id} is no longer with this receiver.")


def _deliver(entry: Waiting, until: float) -> Delivery:
    entry.receives += 1
    entry.attempts += 1
    entry.visible_at = until
    entry.receipt = f"{entry.id}.{entry.attempts}"
    return Delivery(entry.id, entry.receipt, entry.message, entry.receives, entry.sent_at)
