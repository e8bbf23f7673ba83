"""A table in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import assert_never

from outlive.core.limits import check_body, check_lease, check_limit, check_table_key, check_text
from outlive.errors import AlreadyExists, NotFound, VersionConflict
from outlive.memory.server import MemoryServer
from outlive.protocols import Absent, At, Expected, Free, Hold, Keep, LeaseChange, Raise, Row


class MemoryTable:
    """Nothing survives the process; handles on one server share its records."""

    def __init__(self, server: MemoryServer | None = None) -> None:
        """A handle on `server`, or on one of its own."""
        self._server = server or MemoryServer()

    async def read(self, key: str) -> Row | None:
        check_table_key(key)
        await self._server.answer()
        return self._server.rows.get(key)

    async def write(
        self, key: str, body: bytes, *, expected: Expected, lease: LeaseChange, expires_at: float | None
    ) -> Row:
        check_table_key(key)
        check_body(key, body)
        check_lease(lease, expected)
        await self._server.answer()
        before = self._believed(key, expected)
        after = replace(before, body=bytes(body), version=before.version + 1, expires_at=expires_at)
        return self._store(_with_lease(after, lease, created=isinstance(expected, Absent)))

    async def acquire(self, key: str, owner: str, *, now: float, until: float) -> Row | None:
        check_table_key(key)
        check_text("lease owner", owner)
        await self._server.answer()
        row = self._server.rows.get(key)
        if row is None:
            raise NotFound(f"There is no record {key!r}.")
        if row.owner not in (None, owner) and row.until > now:
            return None
        return self._store(replace(row, version=row.version + 1, fence=row.fence + 1, owner=owner, until=until))

    async def delete(self, key: str, *, expected: At) -> None:
        check_table_key(key)
        await self._server.answer()
        self._believed(key, expected)
        del self._server.rows[key]

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> Sequence[Row]:
        check_text("prefix", prefix, at_least=0)
        check_text("after", after, at_least=0)
        check_limit(limit)
        await self._server.answer()
        keys = sorted(key for key in self._server.rows if key.startswith(prefix) and key > after)
        return [self._server.rows[key] for key in islice(keys, limit)]

    async def ping(self) -> None:
        await self._server.answer()

    async def close(self) -> None:
        """Nothing was opened."""

    def _believed(self, key: str, expected: Expected) -> Row:
        row = self._server.rows.get(key)
        match expected:
            case Absent(fence):
                if row is not None:
                    raise AlreadyExists(f"There is a record {key!r} already.")
                return Row(key, b"", version=0, fence=fence, owner=None, until=0.0, expires_at=None)
            case At(version, fence):
                if row is None or (row.version, row.fence) != (version, fence):
                    raise VersionConflict(f"The record {key!r} is not at version {version}, fence {fence}.")
                return row
            case _:
                assert_never(expected)

    def _store(self, row: Row) -> Row:
        self._server.rows[row.key] = row
        return row


def _with_lease(row: Row, lease: LeaseChange, *, created: bool) -> Row:
    match lease:
        case Keep():
            return row
        case Free():
            return replace(row, owner=None, until=0.0)
        case Hold(owner, until):
            return replace(row, owner=owner, until=until, fence=row.fence + created)
        case Raise(fence, owner, until):
            return replace(row, owner=owner, until=until, fence=fence)
        case _:
            assert_never(lease)
