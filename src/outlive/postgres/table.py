"""A table in a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, assert_never

from outlive.core.limits import check_body, check_lease, check_limit, check_table_key, check_text, created_lease
from outlive.errors import AlreadyExists, NotFound, VersionConflict
from outlive.postgres import sql
from outlive.postgres.database import Database
from outlive.protocols import Absent, At, Expected, Free, Hold, Keep, LeaseChange, Raise, Row

Values = Mapping[str, Any]


class PostgresTable:
    """Records in a PostgreSQL database, one statement per call; how durable they are is said at `Database`."""

    def __init__(self, database: Database, *, owned: bool = False) -> None:
        """A table in an open database, which `close` closes only when `owned`."""
        self._database = database
        self._owned = owned

    @classmethod
    async def open(cls, url: str, *, wait_seconds: float = 10.0) -> PostgresTable:
        """A table with connections of its own; see `Database.open` for the errors."""
        return cls(await Database.open(url, wait_seconds=wait_seconds), owned=True)

    async def read(self, key: str) -> Row | None:
        check_table_key(key)
        return _first(await self._database.rows(sql.READ_RECORD, {"key": key.encode()}))

    async def write(
        self, key: str, body: bytes, *, expected: Expected, lease: LeaseChange, expires_at: float | None
    ) -> Row:
        check_table_key(key)
        check_body(key, body)
        check_lease(lease, expected)
        values = {"key": key.encode(), "body": body, "expires_at": expires_at}
        match expected:
            case Absent(fence):
                row = await self._create({**values, "fence": fence}, lease)
                if row is None:
                    raise AlreadyExists(f"There is a record {key!r} already.")
            case At(version, fence):
                row = await self._update({**values, "version": version, "fence": fence}, lease)
                if row is None:
                    raise _moved_on(key, expected)
            case _:
                assert_never(expected)
        return row

    async def acquire(self, key: str, owner: str, *, now: float, until: float) -> Row | None:
        check_table_key(key)
        check_text("lease owner", owner)
        values = {"key": key.encode(), "owner": owner.encode(), "now": now, "until": until}
        row = _first(await self._database.rows(sql.ACQUIRE_LEASE, values))
        if row is None and await self.read(key) is None:
            raise NotFound(f"There is no record {key!r}.")
        return row

    async def delete(self, key: str, *, expected: At) -> None:
        check_table_key(key)
        values = {"key": key.encode(), "version": expected.version, "fence": expected.fence}
        if not await self._database.rows(sql.DELETE_RECORD, values):
            raise _moved_on(key, expected)

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> Sequence[Row]:
        check_text("prefix", prefix, at_least=0)
        check_text("after", after, at_least=0)
        check_limit(limit)
        values = {"prefix": prefix.encode(), "after": after.encode(), "limit": limit}
        rows = await self._database.rows(sql.SCAN_RECORDS, values)
        # Keys that share a prefix are neighbours, so the first that does not have it ends the listing.
        return list(takewhile(lambda row: row.key.startswith(prefix), map(_row, rows)))

    async def ping(self) -> None:
        await self._database.ping()

    async def close(self) -> None:
        if self._owned:
            await self._database.close()

    async def _create(self, values: Values, lease: LeaseChange) -> Row | None:
        fence, owner, until = created_lease(lease, values["fence"])
        leased = {**values, "fence": fence, "owner": owner and owner.encode(), "until": until}
        return _first(await self._database.rows(sql.CREATE_RECORD, leased))

    async def _update(self, values: Values, lease: LeaseChange) -> Row | None:
        match lease:
            case Keep():
                rows = await self._database.rows(sql.UPDATE_RECORD, values)
            case Free():
                freed = {**values, "owner": None, "until": 0.0}
                rows = await self._database.rows(sql.UPDATE_RECORD_AND_LEASE, freed)
            case Hold(owner, until):
                held = {**values, "owner": owner.encode(), "until": until}
                rows = await self._database.rows(sql.UPDATE_RECORD_AND_LEASE, held)
            case Raise(fence, owner, until):
                raised = {**values, "raised": fence, "owner": owner and owner.encode(), "until": until}
                rows = await self._database.rows(sql.UPDATE_RECORD_AND_FENCE, raised)
            case _:
                assert_never(lease)
        return _first(rows)


def _row(found: tuple[Any, ...]) -> Row:
    key, body, version, fence, owner, until, expires_at = found
    holder = None if owner is None else bytes(owner).decode()
    return Row(bytes(key).decode(), bytes(body), version, fence, holder, until, expires_at)


def _first(rows: Sequence[tuple[Any, ...]]) -> Row | None:
    return _row(rows[0]) if rows else None


def _moved_on(key: str, expected: At) -> VersionConflict:
    return VersionConflict(f"The record {key!r} is not at version {expected.version}, fence {expected.fence}.")
