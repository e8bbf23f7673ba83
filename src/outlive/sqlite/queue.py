"""A queue in a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from outlive.core.limits import check_limit, check_text, storable
from outlive.errors import Conflict, NotFound
from outlive.protocols import Clock, DeadLetter, Delivery, Message, QueueDepth
from outlive.sqlite import sql
from outlive.sqlite.database import Database

DAY = 86_400.0


class _Found(NamedTuple):
    """What `FIRST_DELIVERABLE` returns."""

    seq: int
    grp: str
    dedupe_id: str
    body: bytes
    receives: int
    attempts: int
    sent_at: float
    reason: str


class SqliteQueue:
    """Messages in a SQLite file; how durable they are is said at `Database`.

    Message ids are numbers of twenty digits in the order sent, so dead letters are listed in that order too.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        max_receives: int = 3,
        dedupe_window: float = DAY,
        poll: float = 0.05,
        owned: bool = False,
    ) -> None:
        """A queue in an open database, which `close` closes only when `owned`.

        `dedupe_window` and `poll` (the pause between two looks while `receive` waits) in seconds.
        """
        self._database = database
        self._clock = clock
        self._max_receives = max_receives
        self._dedupe_window = dedupe_window
        self._poll = poll
        self._owned = owned

    @classmethod
    async def open(cls, path: Path | str, *, clock: Clock) -> SqliteQueue:
        """A queue in a file of its own; see `Database.open` for the errors."""
        return cls(await Database.open(path), clock=clock, owned=True)

    async def send(self, message: Message) -> bool:
        check_text("message group", message.group)
        check_text("dedupe id", message.dedupe_id)
        now = self._clock.now()
        values = {**_fields(message), "now": now, "before": now - self._dedupe_window}

        def work(connection: sqlite3.Connection) -> bool:
            connection.execute(sql.FORGET_SENT, values)
            if not connection.execute(sql.REMEMBER_SENT, values).rowcount:
                return False
            connection.execute(sql.ENQUEUE, values)
            return True

        return await self._database.write(work)

    async def receive(self, *, visibility: float, wait: float) -> Delivery | None:
        waited = 0.0
        while True:
            delivery = await self._take(visibility)
            if delivery is not None or waited >= wait:
                return delivery
            pause = min(self._poll, wait - waited)
            await self._clock.sleep(pause)
            waited += pause

    async def extend(self, delivery: Delivery, visibility: float) -> None:
        await self._change(sql.EXTEND, delivery, until=self._clock.now() + visibility)

    async def ack(self, delivery: Delivery) -> None:
        await self._change(sql.ACK, delivery)

    async def give_back(self, delivery: Delivery, *, delay: float, reason: str, count: bool = True) -> None:
        at = self._clock.now() + delay
        await self._change(sql.GIVE_BACK, delivery, at=at, reason=storable(reason), taken_back=int(not count))

    async def dead_letters(self, *, after: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        check_text("after", after, at_least=0)
        check_limit(limit)
        values = {"after": after, "limit": limit}
        rows = await self._database.read(lambda connection: list(connection.execute(sql.LIST_DEAD, values)))
        return [
            DeadLetter(letter_id, Message(grp, dedupe_id, body), receives, died_at, reason)
            for letter_id, grp, dedupe_id, body, receives, died_at, reason in rows
        ]

    async def redrive(self, letter_id: str) -> None:
        check_text("dead letter's id", letter_id)
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> None:
            found = connection.execute(sql.READ_DEAD, {"id": letter_id}).fetchone()
            if found is None:
                raise NotFound(f"There is no dead letter {letter_id!r}.")
            connection.execute(sql.REMOVE_DEAD, {"id": letter_id})
            connection.execute(sql.ENQUEUE, {**_fields(Message(*found)), "now": now})

        await self._database.write(work)

    async def purge(self, letter_id: str) -> None:
        check_text("dead letter's id", letter_id)
        purged = await self._database.write(
            lambda connection: connection.execute(sql.REMOVE_DEAD, {"id": letter_id}).rowcount
        )
        if not purged:
            raise NotFound(f"There is no dead letter {letter_id!r}.")

    async def waiting(self, group: str, *, limit: int = 100) -> Sequence[Message]:
        check_text("message group", group)
        check_limit(limit)
        values = {"grp": group, "now": self._clock.now(), "limit": limit}
        rows = await self._database.read(lambda connection: list(connection.execute(sql.LIST_WAITING, values)))
        return [Message(*row) for row in rows]

    async def depth(self) -> QueueDepth:
        now = self._clock.now()
        every, in_flight, dead, oldest = await self._database.read(
            lambda connection: connection.execute(sql.DEPTH, {"now": now}).fetchone()
        )
        return QueueDepth(every - in_flight, in_flight, dead, oldest)

    async def ping(self) -> None:
        await self._database.ping()

    async def close(self) -> None:
        if self._owned:
            await self._database.close()

    async def _take(self, visibility: float) -> Delivery | None:
        now = self._clock.now()
        # A look costs no write lock: idle workers do not stand in each other's way.
        if await self._database.read(lambda connection: _first(connection, now)) is None:
            return None
        return await self._database.write(lambda connection: self._deliver(connection, now, now + visibility))

    def _deliver(self, connection: sqlite3.Connection, now: float, until: float) -> Delivery | None:
        while (found := _first(connection, now)) is not None:
            if found.receives < self._max_receives:
                return _hand_over(connection, found, until)
            _bury(connection, found, now)
        return None

    async def _change(self, statement: str, delivery: Delivery, **values: object) -> None:
        named = {**values, "id": delivery.id, "receipt": delivery.receipt}

        def work(connection: sqlite3.Connection) -> None:
            if not connection.execute(statement, named).rowcount:
                raise Conflict(f"Message {delivery.id} is no longer with this receiver.")
            if statement == sql.ACK:
                connection.execute(sql.PROMOTE, {"grp": delivery.message.group})

        await self._database.write(work)


def _first(connection: sqlite3.Connection, now: float) -> _Found | None:
    found = connection.execute(sql.FIRST_DELIVERABLE, {"now": now}).fetchone()
    return None if found is None else _Found(*found)


def _hand_over(connection: sqlite3.Connection, found: _Found, until: float) -> Delivery:
    receipt = f"{_id(found.seq)}.{found.attempts + 1}"
    connection.execute(sql.DELIVER, {"seq": found.seq, "receipt": receipt, "until": until})
    message = Message(found.grp, found.dedupe_id, found.body)
    return Delivery(_id(found.seq), receipt, message, found.receives + 1, found.sent_at)


def _bury(connection: sqlite3.Connection, found: _Found, now: float) -> None:
    reason = found.reason or "Received too often without an answer."
    connection.execute(sql.BURY, {**found._asdict(), "id": _id(found.seq), "now": now, "reason": reason})
    connection.execute(sql.REMOVE, {"seq": found.seq})
    connection.execute(sql.PROMOTE, {"grp": found.grp})


def _fields(message: Message) -> dict[str, Any]:
    return {"grp": message.group, "dedupe_id": message.dedupe_id, "body": message.body}


def _id(seq: int) -> str:
    return f"{seq:020d}"
