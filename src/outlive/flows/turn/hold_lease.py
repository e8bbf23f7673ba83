"""Holding a session: take the lease, renew it while the turn runs, write the head under its fence, give it back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import assert_never

from outlive.core.erased_heads import AGAIN, was_made_again
from outlive.core.keys import SessionId, head_key
from outlive.core.packs import PackName, pack_name
from outlive.core.sessions import Former, Head, decode_head, encode_head, settled
from outlive.core.telemetry import FenceRefused
from outlive.core.turns import lease_renewal
from outlive.errors import AlreadyExists, LeaseLost, NotFound, Unavailable, VersionConflict
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.protocols import Absent, At, Clock, Free, Hold, Keep, LeaseChange, Raise, Row, Table

MOST_UNANSWERED = 8
"""Own writes that may have landed unseen before a lease is given up: a request can be on its way for long."""


@dataclass(frozen=True, slots=True)
class Busy:
    """The turn cannot run now, and can later: its message waits."""

    reason: str = "another worker holds the session"


class Lease:
    """A held session: the head as last written, and the only way to write it."""

    def __init__(self, table: Table, row: Row, owner: str, engine: Engine) -> None:
        """`row` as the acquire, or the creation, returned it."""
        self._table = table
        self._row = row
        self._owner = owner
        self._engine = engine
        self.writing = asyncio.Lock()
        self._in_doubt = False
        """A write of ours had no answer, and may have landed or land yet."""
        self._sequence = 0
        self.head = decode_head(row.body, row.key)
        self.dirty = row.fence > self.head.clean_fence + 1
        """A holder before this one did not end in order: it may have left flushes."""
        self.former: tuple[Former, ...] = ()
        """Sessions that the key it was taken by has left, all closed to it: they may have answered its message."""
        self.may_be_made_again = was_made_again(row.fence)
        """The creation had no answer at first: where there is no head, it could still land."""

    @property
    def fence(self) -> int:
        """The fencing token of this lease."""
        return self._row.fence

    def next_pack(self) -> PackName:
        """A name nobody else can make and this lease has not made yet, for the next version."""
        self._sequence += 1
        return pack_name(self.head.version + 1, self.fence, self._sequence)

    async def commit(self, head: Head) -> None:
        """Move the head, if version and fence are still ours; `LeaseLost` otherwise, and nothing has changed."""
        await self._write(self._only_over_known(head), Keep())

    async def renew(self) -> None:
        """Prolong the lease."""
        until = self._engine.clock.now() + self._engine.policy.lease_seconds
        await self._write(lambda head: head, Hold(self._owner, until))

    async def release(self, head: Head | None = None) -> None:
        """Give the session back, and write `head` in the same step."""
        change = self._only_over_known(head) if head else lambda written: written
        await self._write(lambda written: self._settled(change(written)), Free())

    async def remove(self) -> None:
        """Delete the head; `LeaseLost` when it is no longer ours."""

        async def delete() -> None:
            try:
                await self._table.delete(self._row.key, expected=At(self._row.version, self._row.fence))
            except VersionConflict as error:
                self._engine.telemetry.event(FenceRefused(self.fence, "remove"))
                raise LeaseLost from error

        async with self.writing:
            await self._if_ours(delete)
            self._engine.tally.moved(self.head, None, self._engine.clock.now())

    def _settled(self, head: Head) -> Head:
        return head if self.dirty else settled(head, self.fence)

    def _only_over_known(self, head: Head) -> Callable[[Head], Head]:
        """This head, made from the one known now: a commit of ours that landed unseen is not to be written over."""
        known = self.head

        def change(written: Head) -> Head:
            if written != known:
                raise LeaseLost(f"session {self._row.key} has moved on by a commit that had no answer.")
            return head

        return change

    async def _write(self, change: Callable[[Head], Head], lease: LeaseChange) -> None:
        """One write at a time, and each from the head as the one before it left it.

        A renewal that took the head before it waited for a commit would write the old one over it.
        """

        async def write() -> None:
            head = change(self.head)
            self._row = await write_settled(
                self._table, self._row, encode_head(head), lease, head.expires_at, self._engine.clock
            )
            self._moved_to(head)

        async with self.writing:
            try:
                await self._if_ours(write)
            except LeaseLost:
                self._engine.telemetry.event(FenceRefused(self.fence, "write"))
                raise

    async def _if_ours(self, write: Callable[[], Awaitable[None]]) -> None:
        """`write()`, and again when an own earlier write, whose reply was lost, has come before it."""
        for _ in range(MOST_UNANSWERED):
            try:
                return await write()
            except LeaseLost:
                if not (self._in_doubt and await self._has_landed()):
                    raise
            except BaseException:
                self._in_doubt = True
                raise
        raise LeaseLost(f"session {self._row.key} does not come to rest.")

    async def _has_landed(self) -> bool:
        """Whether the record is ahead of us by a write of our own: only the holder writes under its fence and name."""
        row = await retrying(lambda: self._table.read(self._row.key), self._engine.clock)
        if row is None or (row.fence, row.owner) != (self._row.fence, self._owner) or row.version == self._row.version:
            return False
        self._row = row
        self._moved_to(decode_head(row.body, row.key))
        return True

    def _moved_to(self, head: Head) -> None:
        self._engine.tally.moved(self.head, head, self._engine.clock.now())
        self.head = head
        self.dirty = self.dirty and head.clean_fence < self.fence


async def write_settled(
    table: Table, row: Row, body: bytes, lease: LeaseChange, expires_at: float | None, clock: Clock
) -> Row:
    """One conditional write whose outcome is known in the end.

    After an unanswered write the record is read back: our own bytes and lease one version on mean that it landed, the
    old version that it did not, anything else that the lease has passed (`LeaseLost`). The bytes alone do not tell:
    who breaks a lease leaves them as they are.
    """
    expected = At(row.version, row.fence)
    unanswered = False

    async def write() -> Row:
        nonlocal unanswered
        try:
            return await table.write(row.key, body, expected=expected, lease=lease, expires_at=expires_at)
        except Unavailable:
            unanswered = True
            raise
        except VersionConflict as error:
            landed = await table.read(row.key) if unanswered else None
            ours = (row.version + 1, row.fence, body, _owner_after(row, lease))
            if landed and (landed.version, landed.fence, landed.body, landed.owner) == ours:
                return landed
            raise LeaseLost(f"session {row.key} has passed to another worker.") from error

    return await retrying(write, clock)


def _owner_after(row: Row, lease: LeaseChange) -> str | None:
    match lease:
        case Keep():
            return row.owner
        case Hold(owner=owner) | Raise(owner=owner):
            return owner
        case Free():
            return None
        case _:
            assert_never(lease)


async def acquire(engine: Engine, table: Table, session_id: SessionId) -> Lease | Busy:
    """Take the session's lease in one conditional write, which also returns the head; `NotFound` without one.

    Every try of one call carries the same owner, so a lost reply cannot lock the worker out of its own session.
    """
    owner, now = engine.new_id(), engine.clock.now()
    until = now + engine.policy.lease_seconds
    key = head_key(session_id)
    row = await retrying(lambda: table.acquire(key, owner, now=now, until=until), engine.clock)
    return Busy() if row is None else Lease(table, row, owner, engine)


async def create(engine: Engine, table: Table, head: Head) -> Lease:
    """Write the first head of a session and hold its lease at once."""
    owner = engine.new_id()
    hold = Hold(owner, engine.clock.now() + engine.policy.lease_seconds)
    key, body = head_key(head.session_id), encode_head(head)
    unanswered = False
    try:
        row = await table.write(key, body, expected=Absent(), lease=hold, expires_at=head.expires_at)
    except (Unavailable, AlreadyExists):  # the latter when a client beneath us has sent it twice
        unanswered = True
        row = await _created(engine, table, key, body, owner, head.expires_at)
    engine.tally.moved(None, head, engine.clock.now())
    lease = Lease(table, row, owner, engine)
    lease.may_be_made_again |= unanswered
    return lease


async def _created(engine: Engine, table: Table, key: str, body: bytes, owner: str, expires_at: float) -> Row:
    """What became of an unanswered creation: the id is ours alone, so whatever is there is ours.

    Made again it begins under another fencing token. When the first request arrives after all, and the record has been
    removed by then, no write of the session fits what it makes.
    """
    row = await retrying(lambda: table.read(key), engine.clock)
    if row is not None:
        return row
    hold = Hold(owner, engine.clock.now() + engine.policy.lease_seconds)
    return await table.write(key, body, expected=Absent(AGAIN), lease=hold, expires_at=expires_at)


@asynccontextmanager
async def renewed(engine: Engine, lease: Lease) -> AsyncIterator[asyncio.Future[None]]:
    """Keep the lease renewed for the length of the block; what it yields is done when the lease has been lost."""
    lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    renewing = asyncio.create_task(_renew(engine, lease, lost))
    try:
        yield lost
    finally:
        async with lease.writing:  # a renewal cut off in mid-write would leave us with an old version number
            renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing


async def _renew(engine: Engine, lease: Lease, lost: asyncio.Future[None]) -> None:
    while True:
        await engine.clock.sleep(lease_renewal(engine.policy.lease_seconds))
        try:
            await lease.renew()
        except LeaseLost:
            lost.set_result(None)
            return
        except Unavailable:
            continue


async def release_quietly(lease: Lease, *, settled: bool = True) -> None:
    """Give the session back after a failure; a lease that is lost or a table that is down frees itself in time.

    `settled=False` tells the next holder to look for flushes, as after a crash.
    """
    lease.dirty = lease.dirty or not settled
    with suppress(LeaseLost, Unavailable, NotFound):
        await lease.release()
