"""A table whose records tell themselves from those that had their keys before.

A record that is removed and made anew begins at version 1 again, so a delete or a write that was sent to the old one
and arrives late would find what it expects. No backend keeps tombstones for that: the new record begins under a fencing
token that nobody has used, and every condition names the token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from outlive.protocols import Absent, At, Expected, Hold, LeaseChange, Row, Table

BITS = 52
"""So many that two records of one key never draw the same, and few enough for every backend's numbers."""


class FreshRecords:
    """Implements `protocols.Table` over any other.

    A record that is made with its lease held (a session's head) keeps its fences from 1: its key is never used again.
    """

    def __init__(self, table: Table, draw: Callable[[int], int]) -> None:
        """`draw(bits)` is a random number of so many bits."""
        self._table, self._draw = table, draw

    async def read(self, key: str) -> Row | None:
        return await self._table.read(key)

    async def write(
        self, key: str, body: bytes, *, expected: Expected, lease: LeaseChange, expires_at: float | None
    ) -> Row:
        if expected == Absent() and not isinstance(lease, Hold):
            expected = replace(expected, fence=self._draw(BITS))
        return await self._table.write(key, body, expected=expected, lease=lease, expires_at=expires_at)

    async def acquire(self, key: str, owner: str, *, now: float, until: float) -> Row | None:
        return await self._table.acquire(key, owner, now=now, until=until)

    async def delete(self, key: str, *, expected: At) -> None:
        await self._table.delete(key, expected=expected)

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> Sequence[Row]:
        return await self._table.scan(prefix, after=after, limit=limit)

    async def ping(self) -> None:
        await self._table.ping()

    async def close(self) -> None:
        await self._table.close()
