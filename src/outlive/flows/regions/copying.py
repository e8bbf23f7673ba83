"""Copies that are made behind the write: in order, until they are there, and known by how far they are behind."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

from outlive.core.regions import copied_version, is_head, is_homed
from outlive.errors import AlreadyExists, Conflict, NotFound, Unavailable, VersionConflict
from outlive.flows.overwrite import write_over
from outlive.flows.regions.pair import RegionPair
from outlive.flows.regions.stage import stage
from outlive.protocols import At, Row, Table

ATTEMPTS = 4
PAUSE = 0.5
"""Seconds before a copy that failed is tried again."""


@dataclass(frozen=True, slots=True)
class _Due:
    """What has to be copied: an object or a record, from one region to the other."""

    source: str
    key: str
    is_object: bool
    since: float


class Copying:
    """A queue of copies, made in the order of the writes: no head comes before its packs."""

    def __init__(self, pair: RegionPair) -> None:
        """Starts when something is due; `close` waits a little for what is left."""
        self._pair = pair
        self._due: deque[_Due] = deque()
        self._task: asyncio.Task[None] | None = None
        self.refused = 0
        """Records that the other region would not take: it has taken them over."""

    @property
    def seconds_behind(self) -> float:
        """How long the oldest copy has been due; 0 when none is."""
        return self._pair.clock.now() - self._due[0].since if self._due else 0.0

    def add(self, source: str, key: str, *, is_object: bool = False) -> None:
        """Copy it from `source` to the other region, soon."""
        self._due.append(_Due(source, key, is_object, self._pair.clock.now()))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    def check_window(self) -> None:
        """`Unavailable` when copies are further behind than may be lost."""
        behind, window = self.seconds_behind, self._pair.window_seconds
        if behind > window:
            raise Unavailable(
                f"the copies in region {self._pair.regions.other} are {behind:.0f} s behind; {window:.0f} may be lost.",
                fix="Nothing more is taken until they are made, or `outlive region failover` says to go on alone.",
            )

    async def drained(self) -> None:
        """Return when nothing is due."""
        while self._due and self._task is not None:
            await asyncio.wait({self._task})

    async def close(self, seconds: float = 5.0) -> None:
        """Give what is due a last chance."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.drained(), seconds)
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _work(self) -> None:
        while self._due:
            try:
                await self._copy(self._due[0])
            except Unavailable:
                if not await self._given_up():
                    await self._pair.clock.sleep(PAUSE)
                    continue
            self._due.popleft()

    async def _given_up(self) -> bool:
        """A region that goes on alone makes its copies when the other one is back."""
        with suppress(Unavailable):
            return await self._pair.is_alone()
        return False

    async def _copy(self, due: _Due) -> None:
        if await self._pair.is_alone():
            return
        if due.is_object:
            await copy_object(self._pair, due.source, due.key)
        elif is_homed(due.key):
            await self._copy_homed(due)
        else:
            await self._copy_plain(due)

    async def _copy_homed(self, due: _Due) -> None:
        """As it is at home; a mapping once more where it has changed meanwhile: it may have been made anew."""
        before: Row | None = None
        for _ in range(ATTEMPTS):
            row = await self._pair.tables[due.source].read(due.key)
            if before is not None and row == before:
                return
            await self._copy_row(due, row)
            if row is None or is_head(due.key):
                return
            before = row

    async def _copy_row(self, due: _Due, row: Row | None) -> None:
        regions = self._pair.regions
        table = self._pair.tables[regions.opposite(due.source)]
        if row is None:
            seen = await table.read(due.key)
            if seen is not None and copied_version(seen) is not None:
                await table.delete(due.key, expected=At(seen.version, seen.fence))
        elif copied_version(row) is None:
            try:
                await stage(table, regions, row)
            except VersionConflict:
                self.refused += 1

    async def _copy_plain(self, due: _Due) -> None:
        """Whatever is there; somebody who is faster is copied next."""
        row = await self._pair.tables[due.source].read(due.key)
        table = self._pair.tables[self._pair.regions.opposite(due.source)]
        seen = await table.read(due.key)
        with suppress(Conflict):
            await _overwrite(table, due.key, row, seen)


async def _overwrite(table: Table, key: str, row: Row | None, seen: Row | None) -> None:
    if row is None and seen is not None:
        await table.delete(key, expected=At(seen.version, seen.fence))
    elif row is not None and (seen is None or seen.body != row.body):
        await write_over(table, key, row.body, seen, row.expires_at)


async def copy_object(pair: RegionPair, source: str, key: str) -> None:
    """Put the object into the other region, too; one that is gone, or is there, is fine."""
    with suppress(NotFound, AlreadyExists):
        data = await pair.objects[source].get(key)
        await pair.objects[pair.regions.opposite(source)].put(key, data)
