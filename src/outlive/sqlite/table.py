"""A table in a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, assert_never

from outlive.core.limits import check_body, check_lease, check_limit, check_table_key, check_text, created_lease
from outlive.errors import AlreadyExists, NotFound, VersionConflict
from outlive.protocols import Absent, At, Expected, Free, Hold, Keep, LeaseChange, Raise, Row
from outlive.sqlite import sql
from outlive.sqlite.database import Database

Values = Mapping[str, Any]


class SqliteTable:
    """Records in a SQLite file; how durable they are is said at `Database`."""

    def __init__(self, database: Database, *, owned: bool = False) -> None:
        """A table in an open database, which `close` closes only when `owned`."""
        self._database = database
        self._owned = owned

    @classmethod
    async def open(cls, path: Path | str) -> SqliteTable:
        """A table in a file of its own; see `Database.open` for the errors."""
        return cls(await Database.open(path), owned=True)

    async def read(self, key: str) -> Row | None:
        check_table_key(key)
        return await self._database.read_row(lambda connection: _read(connection, key))

    async def write(
        self, key: str, body: bytes, *, expected: Expected, lease: LeaseChange, expires_at: float | None
    ) -> Row:
        check_table_key(key)
        check_body(key, body)
        check_lease(lease, expected)
        values = {"key": key, "body": body, "expires_at": expires_at}

        def work(connection: sqlite3.Connection) -> Row:
            match expected:
                case Absent(fence):
                    _create(connection, {**values, "fence": fence}, lease)
                case At(version, fence):
                    _update(connection, {**values, "version": version, "fence": fence}, lease)
                case _:
                    assert_never(expected)
            return _read_back(connection, key)

        return await self._database.write(work)

    async def acquire(self, key: str, owner: str, *, now: float, until: float) -> Row | None:
        check_table_key(key)
        check_text("lease owner", owner)
        values = {"key": key, "owner": owner, "now": now, "until": until}

        def work(connection: sqlite3.Connection) -> Row | None:
            if connection.execute(sql.ACQUIRE_LEASE, values).rowcount:
                return _read_back(connection, key)
            if _read(connection, key) is None:
                raise NotFound(f"There is no record {key!r}.")
            return None

        return await self._database.write(work)

    async def delete(self, key: str, *, expected: At) -> None:
        check_table_key(key)
        values = {"key": key, "version": expected.version, "fence": expected.fence}

        def work(connection: sqlite3.Connection) -> None:
            if not connection.execute(sql.DELETE_RECORD, values).rowcount:
                raise _moved_on(values)

        await self._database.write(work)

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> Sequence[Row]:
        check_text("prefix", prefix, at_least=0)
        check_text("after", after, at_least=0)
        check_limit(limit)
        values = {"prefix": prefix, "after": after, "limit": limit}
        rows = await self._database.read(lambda connection: list(connection.execute(sql.SCAN_RECORDS, values)))
        # Keys that share a prefix are neighbours, so the first that does not have it ends the listing.
        return list(takewhile(lambda row: row.key.startswith(prefix), (Row(*row) for row in rows)))

    async def ping(self) -> None:
        await self._database.ping()

    async def close(self) -> None:
        if self._owned:
            await self._database.close()


def _read(connection: sqlite3.Connection, key: str) -> Row | None:
    found = connection.execute(sql.READ_RECORD, {"key": key}).fetchone()
    return None if found is None else Row(*found)


def _read_back(connection: sqlite3.Connection, key: str) -> Row:
    return Row(*connection.execute(sql.READ_RECORD, {"key": key}).fetchone())


def _create(connection: sqlite3.Connection, values: Values, lease: LeaseChange) -> None:
    fence, owner, until = created_lease(lease, values["fence"])
    leased = {**values, "fence": fence, "owner": owner, "until": until}
    if not connection.execute(sql.CREATE_RECORD, leased).rowcount:
        raise AlreadyExists(f"There is a record {values['key']!r} already.")


def _update(connection: sqlite3.Connection, values: Values, lease: LeaseChange) -> None:
    match lease:
        case Keep():
            done = connection.execute(sql.UPDATE_RECORD, values)
        case Free():
            done = connection.execute(sql.UPDATE_RECORD_AND_LEASE, {**values, "owner": None, "until": 0.0})
        case Hold(owner, until):
            done = connection.execute(sql.UPDATE_RECORD_AND_LEASE, {**values, "owner": owner, "until": until})
        case Raise(fence, owner, until):
            raised = {**values, "raised": fence, "owner": owner, "until": until}
            done = connection.execute(sql.UPDATE_RECORD_AND_FENCE, raised)
        case _:
            assert_never(lease)
    if not done.rowcount:
        raise _moved_on(values)


def _moved_on(values: Values) -> VersionConflict:
    at = f"version {values['version']}, fence {values['fence']}"
    return VersionConflict(f"The record {values['key']!r} is not at {at}.")
