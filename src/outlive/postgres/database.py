"""One PostgreSQL database: its pool of connections, its schema, and what its errors mean."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, LiteralString, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import AsyncConnection, errors
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from outlive.errors import Invalid, OutliveError, SchemaTooNew, Unavailable
from outlive.postgres import sql

T = TypeVar("T")
Connection = AsyncConnection[tuple[Any, ...]]
Work = Callable[[Connection], Awaitable[T]]
Values = Mapping[str, object]

SCHEMA = len(sql.MIGRATIONS)
"""The schema this outlive reads and writes."""
DEFAULT_SCHEMA = "outlive"
_SCHEMA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SETTINGS = (
    errors.InvalidPassword,
    errors.InvalidAuthorizationSpecification,
    errors.InvalidCatalogName,
    errors.InsufficientPrivilege,
)
"""What another try does not mend: the URL or the grants are wrong."""


class Database:
    """A database that tables and queues share; any number of processes on any number of hosts may open it.

    Durability: each call commits before it returns, with `synchronous_commit` at least `on`; what that is worth
    (replicas, disks) is set at the server. Only single statements and short transactions on one server are needed:
    no extension, no LISTEN, no prepared state that outlives a transaction but the search path, so a pooler in front
    has to pool sessions, not transactions.
    """

    def __init__(self, pool: AsyncConnectionPool[Connection], place: str) -> None:
        """Use `Database.open`. `place` names the database in errors, without the password."""
        self.place = place
        self._pool = pool

    @classmethod
    async def open(cls, url: str, *, connections: int = 8, wait_seconds: float = 10.0) -> Database:
        """Connect, and create the schema when it is missing. `postgresql://…?schema=NAME` keeps several apart.

        `wait_seconds`: how long to wait for a connection. `Invalid` names what is wrong with the URL or the rights,
        `Unavailable` when nobody answers, `SchemaTooNew` when a newer outlive was here.
        """
        address, schema = _parse(url)
        pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            address,
            kwargs={"autocommit": True, "connect_timeout": max(2, int(wait_seconds)), "application_name": "outlive"},
            configure=_configured(schema),
            min_size=1,
            max_size=connections,
            timeout=wait_seconds,
            reconnect_timeout=wait_seconds,
            open=False,
        )
        database = cls(pool, _shown(url))
        try:
            await database._prepare(address, schema)
            await pool.open(wait=True, timeout=wait_seconds)
        except BaseException as error:
            await pool.close()
            if isinstance(error, psycopg.Error | PoolTimeout):
                raise translate(error, database.place, opening=True) from error
            raise
        return database

    async def rows(self, statement: LiteralString, values: Values) -> Sequence[tuple[Any, ...]]:
        """Run one statement as a transaction of its own and return what it selects or returns."""

        async def work(connection: Connection) -> Sequence[tuple[Any, ...]]:
            return await (await connection.execute(statement, values)).fetchall()

        return await self._run(work)

    async def transact(self, work: Work[T]) -> T:
        """Run `work` in one transaction: durable when this returns, undone when it raises."""

        async def whole(connection: Connection) -> T:
            async with connection.transaction():
                return await work(connection)

        return await self._run(whole)

    async def ping(self) -> None:
        """Return when the server answers."""
        await self.rows(sql.PING, {})

    async def close(self) -> None:
        """Close every connection; idempotent."""
        await self._pool.close()

    async def _run(self, work: Work[T]) -> T:
        try:
            async with self._pool.connection() as connection:
                return await work(connection)
        except (psycopg.Error, PoolTimeout, PoolClosed) as error:
            if isinstance(error, psycopg.OperationalError):  # where one connection broke, the others have, too
                with suppress(psycopg.Error, PoolTimeout, PoolClosed):
                    await self._pool.check()
            raise translate(error, self.place) from error

    async def _prepare(self, address: str, schema: str) -> None:
        connection: Connection = await AsyncConnection.connect(address, autocommit=True, connect_timeout=5)
        async with connection, connection.transaction():
            await connection.execute(sql.LOCK_MIGRATION)
            await _create_schema(connection, schema)
            await connection.execute(sql.USE_SCHEMA, {"path": schema})
            await _migrate(connection, self.place)


def translate(error: Exception, place: str, *, opening: bool = False) -> OutliveError:
    """What PostgreSQL's error means to the caller; the only place that knows its classes."""
    said = " ".join(str(error).split()) or type(error).__name__
    if opening and (isinstance(error, _SETTINGS) or "authentication failed" in said or "does not exist" in said):
        return Invalid(f"{place} cannot be used: {said}.", fix="Correct the URL, or grant the role what it needs.")
    return Unavailable(f"{place} does not answer: {said}.", original=error, fix="Check that the server runs.")


def _parse(url: str) -> tuple[str, str]:
    """The address for the driver and the schema's name."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise Invalid(f"store URL {_shown(url)!r} is not supported.", fix="Use postgresql://USER@HOST/DATABASE.")
    query = dict(parse_qsl(parts.query))
    schema = query.pop("schema", DEFAULT_SCHEMA)
    if not _SCHEMA_NAME.fullmatch(schema):
        raise Invalid(f"schema {schema!r} is not valid.", fix="Use a-z, 0-9 and _, 63 characters at most.")
    return urlunsplit(parts._replace(query=urlencode(query))), schema


def _shown(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _configured(schema: str) -> Callable[[Connection], Awaitable[None]]:
    async def configure(connection: Connection) -> None:
        await connection.execute(sql.USE_SCHEMA, {"path": schema})
        await connection.execute(sql.DURABLE)

    return configure


async def _create_schema(connection: Connection, schema: str) -> None:
    """Only when it is missing: a role without the right to create one may use what an operator made for it."""
    found = await connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %(name)s", {"name": schema})
    if await found.fetchone() is None:
        name = psycopg.sql.Identifier(schema)
        await connection.execute(psycopg.sql.SQL("CREATE SCHEMA {}").format(name))


async def _migrate(connection: Connection, place: str) -> None:
    await connection.execute(sql.CREATE_SCHEMA_VERSION)
    found = await (await connection.execute(sql.READ_SCHEMA)).fetchone()
    version = found[0] if found else 0
    if version > SCHEMA:
        raise SchemaTooNew(f"{place} has schema {version}; this outlive knows {SCHEMA}.", fix="Upgrade outlive.")
    for step in sql.MIGRATIONS[version:]:
        for statement in step:
            await connection.execute(statement)
    if version < SCHEMA:
        await connection.execute(sql.CLEAR_SCHEMA)
        await connection.execute(sql.WRITE_SCHEMA, {"version": SCHEMA})
