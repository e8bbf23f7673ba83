"""A queue in a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple

from outlive.core.limits import check_limit, check_text, storable
from outlive.errors import Conflict, NotFound
from outlive.postgres import sql
from outlive.postgres.database import Connection, Database
from outlive.protocols import Clock, DeadLetter, Delivery, Message, QueueDepth

DAY = 86_400.0


class _Found(NamedTuple):
    """What `FIRST_DELIVERABLE` returns."""

    seq: int
    grp: bytes
    dedupe_id: bytes
    body: bytes
    receives: int
    attempts: int
    sent_at: float
    reason: bytes


class PostgresQueue:
    """Messages in a PostgreSQL database; workers skip what another one has in its hands instead of waiting for it.

    Message ids are numbers of twenty digits in the order sent, so dead letters are listed in that order too.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        max_receives: int = 3,
        dedupe_window: float = DAY,
        poll: float = 0.1,
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
    async def open(cls, url: str, *, clock: Clock, wait_seconds: float = 10.0) -> PostgresQueue:
        """A queue with connections of its own; see `Database.open` for the errors."""
        return cls(await Database.open(url, wait_seconds=wait_seconds), clock=clock, owned=True)

    async def send(self, message: Message) -> bool:
        check_text("message group", message.group)
        check_text("dedupe id", message.dedupe_id)
        now = self._clock.now()
        values = {**_fields(message), "now": now, "before": now - self._dedupe_window}

        async def work(connection: Connection) -> bool:
            await connection.execute(sql.LOCK_GROUP, values)
            await connection.execute(sql.FORGET_SENT, values)
            remembered = await connection.execute(sql.REMEMBER_SENT, values)
            if not remembered.rowcount:
                return False
            await connection.execute(sql.ENQUEUE, values)
            return True

        return await self._database.transact(work)

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
        values = _own(delivery) | {"grp": delivery.message.group.encode()}

        async def work(connection: Connection) -> None:
            await connection.execute(sql.LOCK_GROUP, values)
            acknowledged = await connection.execute(sql.ACK, values)
            if not acknowledged.rowcount:
                raise _not_ours(delivery)
            await connection.execute(sql.PROMOTE, values)

        await self._database.transact(work)

    async def give_back(self, delivery: Delivery, *, delay: float, reason: str, count: bool = True) -> None:
        at, said = self._clock.now() + delay, storable(reason).encode()
        await self._change(sql.GIVE_BACK, delivery, at=at, reason=said, taken_back=int(not count))

    async def dead_letters(self, *, after: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        check_text("after", after, at_least=0)
        check_limit(limit)
        rows = await self._database.rows(sql.LIST_DEAD, {"after": after.replace("\0", ""), "limit": limit})
        return [
            DeadLetter(letter_id, _message(grp, dedupe_id, body), receives, died_at, bytes(reason).decode())
            for letter_id, grp, dedupe_id, body, receives, died_at, reason in rows
        ]

    async def redrive(self, letter_id: str) -> None:
        check_text("dead letter's id", letter_id)
        now = self._clock.now()

        async def work(connection: Connection) -> None:
            taken = await connection.execute(sql.TAKE_DEAD, {"id": letter_id.replace("\0", "\ufffd")})
            found = await taken.fetchone()
            if found is None:
                raise NotFound(f"There is no dead letter {letter_id!r}.")
            values = {**_fields(_message(*found)), "now": now}
            await connection.execute(sql.LOCK_GROUP, values)
            await connection.execute(sql.ENQUEUE, values)

        await self._database.transact(work)

    async def purge(self, letter_id: str) -> None:
        check_text("dead letter's id", letter_id)
        if not await self._database.rows(sql.TAKE_DEAD, {"id": letter_id.replace("\0", "\ufffd")}):
            raise NotFound(f"There is no dead letter {letter_id!r}.")

    async def waiting(self, group: str, *, limit: int = 100) -> Sequence[Message]:
        check_text("message group", group)
        check_limit(limit)
        values = {"grp": group.encode(), "now": self._clock.now(), "limit": limit}
        return [_message(*row) for row in await self._database.rows(sql.LIST_WAITING, values)]

    async def depth(self) -> QueueDepth:
        ((every, in_flight, dead, oldest),) = await self._database.rows(sql.DEPTH, {"now": self._clock.now()})
        return QueueDepth(every - in_flight, in_flight, dead, oldest)

    async def ping(self) -> None:
        await self._database.ping()

    async def close(self) -> None:
        if self._owned:
            await self._database.close()

    async def _take(self, visibility: float) -> Delivery | None:
        now = self._clock.now()
        # A look takes no lock and starts no transaction: idle workers cost next to nothing.
        if not await self._database.rows(sql.HAS_DELIVERABLE, {"now": now}):
            return None

        async def work(connection: Connection) -> Delivery | None:
            return await self._deliver(connection, now, now + visibility)

        return await self._database.transact(work)

    async def _deliver(self, connection: Connection, now: float, until: float) -> Delivery | None:
        while (found := await _first(connection, now)) is not None:
            if found.receives < self._max_receives:
                return await _hand_over(connection, found, until)
            await _bury(connection, found, now)
        return None

    async def _change(self, statement: LiteralString, delivery: Delivery, **values: object) -> None:
        if not await self._database.rows(statement, _own(delivery) | values):
            raise _not_ours(delivery)


async def _first(connection: Connection, now: float) -> _Found | None:
    found = await (await connection.execute(sql.FIRST_DELIVERABLE, {"now": now})).fetchone()
    return None if found is None else _Found(*found)


async def _hand_over(connection: Connection, found: _Found, until: float) -> Delivery:
    receipt = f"{_id(found.seq)}.{found.attempts + 1}"
    await connection.execute(sql.DELIVER, {"seq": found.seq, "receipt": receipt, "until": until})
    message = _message(found.grp, found.dedupe_id, found.body)
    return Delivery(_id(found.seq), receipt, message, found.receives + 1, found.sent_at)


async def _bury(connection: Connection, found: _Found, now: float) -> None:
    reason = found.reason or b"Received too often without an answer."
    values = found._asdict() | {"id": _id(found.seq), "now": now, "reason": reason}
    await connection.execute(sql.LOCK_GROUP, values)
    await connection.execute(sql.BURY, values)
    await connection.execute(sql.REMOVE, values)
    await connection.execute(sql.PROMOTE, values)


def _own(delivery: Delivery) -> dict[str, object]:
    return {"seq": int(delivery.id), "receipt": delivery.receipt}


def _not_ours(delivery: Delivery) -> Conflict:
    return Conflict(f"Message {delivery.id} is no longer with this receiver.")


def _fields(message: Message) -> dict[str, Any]:
    return {"grp": message.group.encode(), "dedupe_id": message.dedupe_id.encode(), "body": message.body}


def _message(group: bytes, dedupe_id: bytes, body: bytes) -> Message:
    return Message(bytes(group).decode(), bytes(dedupe_id).decode(), bytes(body))


def _id(seq: int) -> str:
    return f"{seq:020d}"
