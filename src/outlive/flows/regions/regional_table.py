"""A table whose sessions are at home in one of two regions, and have a copy in the other.

Every write of a head or a mapping is a conditional write at its home. In synchronous mode its copy comes first, in a
conditional write of its own: what is acknowledged is in both, and a region whose epoch is over fails at the copy.
"""

from __future__ import annotations

from collections.abc import Sequence

from outlive.core.limits import created_lease
from outlive.core.regions import (
    DRAWN,
    EPOCH,
    GONE,
    Replication,
    as_at_home,
    copied_version,
    is_copied,
    is_head,
    is_homed,
    note_key,
)  # fmt: skip
from outlive.errors import NotFound, Unavailable, VersionConflict
from outlive.flows.overwrite import overwrite
from outlive.flows.regions.copying import Copying
from outlive.flows.regions.pair import RegionPair
from outlive.flows.regions.stage import stage
from outlive.protocols import At, Expected, LeaseChange, Raise, Row

REMEMBERED = 2000
"""Records whose last known rows are kept, to save reads."""


class RegionalTable:
    """Implements `protocols.Table` over the tables of both regions."""

    def __init__(self, pair: RegionPair, copying: Copying) -> None:
        """The tables are closed by whoever opened them."""
        self._pair, self._copying, self._regions = pair, copying, pair.regions
        self._own = pair.tables[pair.regions.own]
        self._homes: dict[str, Row] = {}
        self._copies: dict[str, Row] = {}
        self._written: dict[str, None] = {}

    async def read(self, key: str) -> Row | None:
        """This region's record or copy; of what this process wrote elsewhere, the record itself.

        What this region does not have is asked for in the other, so that a copy that is late never looks like no
        session at all.
        """
        row = await self._own.read(key)
        if not is_homed(key):
            return row
        if row is not None and copied_version(row) is None and not await self._pair.is_left_behind():
            return row
        if row is not None and copied_version(row) is not None and key not in self._written:
            return as_at_home(row)
        if row is None and await self._knows_all(key):
            return None
        return await self._read_both(key, row)

    async def write(
        self, key: str, body: bytes, *, expected: Expected, lease: LeaseChange, expires_at: float | None
    ) -> Row:
        if not is_homed(key):
            return await self._write_plain(key, body, expected=expected, lease=lease, expires_at=expires_at)
        self._note_written(key)
        home, wanted, lease = await self._wanted(key, body, expected, lease, expires_at)
        alone, behind = await self._pair.is_alone(), await self._pair.is_left_behind()
        copies = not alone and not (behind and home == self._regions.other)
        waits = copies and self._pair.replication is Replication.SYNCHRONOUS
        if waits and not self._is_lease_only(wanted, expected):
            await self._stage(home, wanted)
        elif copies and not waits:
            await self._check_asynchronous(wanted, behind=behind)
        row = await self._pair.tables[home].write(key, body, expected=expected, lease=lease, expires_at=expires_at)
        _remember(self._homes, row)
        if copies and not waits:
            self._copying.add(home, key)
        return row

    async def acquire(self, key: str, owner: str, *, now: float, until: float) -> Row | None:
        """At home, wherever that is; a copy can be acquired by nobody."""
        if not is_homed(key):
            return await self._own.acquire(key, owner, now=now, until=until)
        region = await self._present_home(key)
        try:
            row = await self._pair.tables[region].acquire(key, owner, now=now, until=until)
        except NotFound:
            region = self._regions.opposite(region)
            if await self._pair.is_alone():
                raise
            row = await self._pair.tables[region].acquire(key, owner, now=now, until=until)
        if row is None and region == self._regions.own and await self._is_copy(key):
            row = await self._acquire_there(key, owner, now=now, until=until)
        if row is not None:
            _remember(self._homes, row)
        return row

    async def delete(self, key: str, *, expected: At) -> None:
        if not is_homed(key):
            await self._own.delete(key, expected=expected)
            if is_copied(key):
                self._copying.add(self._regions.own, key)
            return
        home = self._regions.home(expected.fence)
        if await self._pair.is_alone():
            await overwrite(self._own, note_key(GONE, key), key.encode(), self._pair.clock, expires_at=None)
        elif self._pair.replication is Replication.SYNCHRONOUS:
            await self._delete_copy(home, key, expected)
        await self._pair.tables[home].delete(key, expected=expected)
        self._copies.pop(key, None)
        if self._pair.replication is Replication.ASYNCHRONOUS:
            self._copying.add(home, key)

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> Sequence[Row]:
        """What this region has: its own records, and its copies as far as they have come."""
        return [as_at_home(row) for row in await self._own.scan(prefix, after=after, limit=limit)]

    async def ping(self) -> None:
        await self._own.ping()

    async def close(self) -> None:
        """Nothing: who opened the tables closes them."""

    # ------------------------------------------------------------------------------------------ reading

    async def _read_both(self, key: str, own: Row | None) -> Row | None:
        if own is None and await self._pair.is_alone():
            return None
        there = await self._pair.tables[self._regions.other].read(key)
        rows = [row for row in (own, there) if row is not None]
        at_home = [row for row in rows if copied_version(row) is None]
        if at_home:
            return max(at_home, key=lambda row: row.fence)
        if any((copied_version(row) or 0) > 1 for row in rows):
            raise Unavailable(f"{key} is on its way between the regions.", fix="Run `outlive region failover` again.")
        return None  # a copy of version 1 alone: its worker died before it made the record itself

    async def _knows_all(self, key: str) -> bool:
        """Whether a mapping that is not here is nowhere: they are made in the primary region, and this is it."""
        if is_head(key) or await self._pair.is_left_behind():
            return False
        control = await self._pair.recent_control(self._regions.own)
        return control.alone or self._regions.home(control.epoch * EPOCH) == self._regions.own

    async def _present_home(self, key: str) -> str:
        """Where to ask for the lease first: here, unless the other region has taken the record over meanwhile."""
        if not await self._pair.is_left_behind():
            return self._regions.own
        there = await self._pair.tables[self._regions.other].read(key)
        own = await self._own.read(key)
        if there is not None and (own is None or there.fence > own.fence):
            return self._regions.home(there.fence)
        return self._regions.own

    async def _is_copy(self, key: str) -> bool:
        row = await self._own.read(key)
        return row is not None and copied_version(row) is not None

    async def _acquire_there(self, key: str, owner: str, *, now: float, until: float) -> Row | None:
        other = self._regions.other
        try:
            return await self._pair.tables[other].acquire(key, owner, now=now, until=until)
        except Unavailable as error:
            raise Unavailable(
                f"{key} is at home in region {other}, which does not answer.",
                original=error,
                fix="Wait, or take it over with `outlive region failover`.",
            ) from error

    # ------------------------------------------------------------------------------------------ writing

    async def _wanted(
        self, key: str, body: bytes, expected: Expected, lease: LeaseChange, expires_at: float | None
    ) -> tuple[str, Row, LeaseChange]:
        """The home, the record as it will be there, and the lease change that makes it so."""
        if isinstance(expected, At):
            wanted = Row(key, body, expected.version + 1, expected.fence, None, 0.0, expires_at)
            return self._regions.home(expected.fence), wanted, lease
        control = await self._pair.recent_control(self._regions.own)
        primary = self._regions.home(control.epoch * EPOCH)
        home = self._regions.own if is_head(key) or control.alone else primary
        if not control.alone and await self._pair.is_left_behind():
            there = await self._pair.recent_control(self._regions.other)
            home, control = self._regions.other, there
        fence, owner, until = created_lease(lease, 0 if is_head(key) else expected.fence % DRAWN)
        fence += self._regions.first_fence(home, since=control.epoch)
        return home, Row(key, body, 1, fence, None, 0.0, expires_at), Raise(fence, owner, until)

    def _is_lease_only(self, wanted: Row, expected: Expected) -> bool:
        """A renewal changes nothing that a copy holds."""
        last = self._homes.get(wanted.key)
        if (
            last is None
            or not isinstance(expected, At)
            or (last.version, last.fence) != (expected.version, expected.fence)
        ):
            return False
        return last.body == wanted.body

    async def _stage(self, home: str, wanted: Row) -> None:
        other, key = self._regions.opposite(home), wanted.key
        table = self._pair.tables[other]
        try:
            copy = await stage(table, self._regions, wanted, self._copies.get(key), home=self._pair.tables[home])
        except VersionConflict:
            self._copies.pop(key, None)
            raise
        _remember(self._copies, copy)

    async def _check_asynchronous(self, wanted: Row, *, behind: bool) -> None:
        self._copying.check_window()
        if behind:
            there = await self._pair.tables[self._regions.other].read(wanted.key)
            if there is not None and there.fence > wanted.fence:
                raise VersionConflict(f"The record {wanted.key!r} has been taken over by the other region.")

    async def _delete_copy(self, home: str, key: str, expected: At) -> None:
        table = self._pair.tables[self._regions.opposite(home)]
        seen = await table.read(key)
        if seen is None:
            return
        if seen.fence > expected.fence or copied_version(seen) is None:
            raise VersionConflict(f"The record {key!r} has been taken over by the other region.")
        await table.delete(key, expected=At(seen.version, seen.fence))

    async def _write_plain(
        self, key: str, body: bytes, *, expected: Expected, lease: LeaseChange, expires_at: float | None
    ) -> Row:
        row = await self._own.write(key, body, expected=expected, lease=lease, expires_at=expires_at)
        if is_copied(key):
            self._copying.add(self._regions.own, key)
        return row

    def _note_written(self, key: str) -> None:
        if len(self._written) >= REMEMBERED:
            self._written.pop(next(iter(self._written)))
        self._written[key] = None


def _remember(rows: dict[str, Row], row: Row) -> None:
    if len(rows) >= REMEMBERED:
        rows.clear()
    rows[row.key] = row
