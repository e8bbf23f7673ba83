"""What a table's contract tests are written with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest_asyncio

from outlive.protocols import Absent, At, Keep, LeaseChange, Row, Table
from outlive.testing.contract import Contract

NOW = 1_750_000_000.0
HOUR = 3600.0
LIMIT = 256 * 1024


async def create(table: Table, key: str, body: bytes = b"", lease: LeaseChange | None = None) -> Row:
    """A new record."""
    return await table.write(key, body, expected=Absent(), lease=lease or Keep(), expires_at=None)


async def update(table: Table, seen: Row, body: bytes = b"", lease: LeaseChange | None = None) -> Row:
    """The next version of the record that was seen."""
    at = At(seen.version, seen.fence)
    return await table.write(seen.key, body, expected=at, lease=lease or Keep(), expires_at=None)


async def take(table: Table, key: str, owner: str, *, now: float = NOW) -> Row | None:
    """The lease for an hour."""
    return await table.acquire(key, owner, now=now, until=now + HOUR)


CALLS: Mapping[str, Callable[[Table, str], Awaitable[object]]] = {
    "read": lambda table, key: table.read(key),
    "write": create,
    "acquire": lambda table, key: take(table, key, "a"),
    "delete": lambda table, key: table.delete(key, expected=At(1, 0)),
    "scan": lambda table, key: table.scan(key),
    "ping": lambda table, _: table.ping(),
}
"""One call of each method."""


class TableContract(Contract, ABC):
    """What a table's test class supplies, and the two handles every test gets."""

    @abstractmethod
    async def connect(self, place: Path) -> Table:
        """A new handle on the records kept at `place`, a folder that is this test's own and empty at first."""

    @abstractmethod
    async def sever(self, table: Table) -> None:
        """Break what is behind this handle, so that each of its calls fails as it would in an outage."""

    def first_fence(self, _row: Row) -> int:
        """Of a record that was made without one: 0, unless what is asked draws them."""
        return 0

    @pytest_asyncio.fixture
    async def table(self, tmp_path: Path) -> AsyncIterator[Table]:
        """The handle under test."""
        table = await self.connect(tmp_path)
        yield table
        await table.close()

    @pytest_asyncio.fixture
    async def other(self, tmp_path: Path) -> AsyncIterator[Table]:
        """A second handle on the same records: the back door, or another worker."""
        other = await self.connect(tmp_path)
        yield other
        await other.close()
