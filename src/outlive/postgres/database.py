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
CHECK_SECONDS = 5.0
"""How long the first connection may take."""
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
        first: list[Connection] = []
        pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            address,
            connection_class=_FirstIsGiven,
            kwargs=_connecting(wait_seconds) | {"first": first, "start": _session_start(schema)},
            min_size=1,
            max_size=connections,
            timeout=wait_seconds,
            reconnect_timeout=wait_seconds,
            open=False,
        )
        place = _shown(url)
        try:
            first.append(await _connect_checked(address, schema, place))
            await pool.open(wait=True, timeout=wait_seconds)
        except BaseException as error:
            await pool.close()
            for connection in first:
                await connection.close()
            if isinstance(error, psycopg.Error | PoolTimeout):
                raise translate(error, place, opening=True) from error
            raise
        return cls(pool, place)

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


class _FirstIsGiven(AsyncConnection[tuple[Any, ...]]):
    """Gives the pool the connection that the schema was checked on: a new one costs the server a process."""

    @classmethod
    async def connect(  # type: ignore[override]
        cls,
        conninfo: str = "",
        *,
        first: list[Connection],
        start: psycopg.sql.Composed,
        **options: Any,  # noqa: ANN401 - psycopg's
    ) -> Connection:
        if first:
            return first.pop()
        connection: Connection = await AsyncConnection.connect(conninfo, **options)
        try:
            await connection.execute(start)
        except BaseException:
            await connection.close()
            raise
        return connection


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


def _connecting(wait_seconds: float) -> dict[str, Any]:
    return {"autocommit": True, "connect_timeout": max(2, int(wait_seconds)), "application_name": "outlive"}


def _session_start(schema: str) -> psycopg.sql.Composed:
    """What every connection begins with, without parameters: several statements are then one round trip."""
    return psycopg.sql.SQL(sql.BEGIN_SESSION).format(schema=psycopg.sql.Literal(schema))


async def _connect_checked(address: str, schema: str, place: str) -> Connection:
    """A connection ready for work, on a schema that is current: two round trips where it was so already."""
    connection = await AsyncConnection.connect(address, **_connecting(CHECK_SECONDS))
    try:
        if await _current_version(connection, schema) != SCHEMA:
            async with connection.transaction():
                await connection.execute(sql.LOCK_MIGRATION)
                await _create_schema(connection, schema)
                await connection.execute(_session_start(schema))
                await _migrate(connection, place)
    except BaseException:
        await connection.close()
        raise
    return connection


async def _current_version(connection: Connection, schema: str) -> int | None:
    """Begin the session and read the schema's version, None where there is none yet, in one round trip."""
    try:
        cursor = await connection.execute(_session_start(schema) + psycopg.sql.SQL(sql.READ_SCHEMA))
    except errors.UndefinedTable:
        return None
    while cursor.nextset():
        pass
    found = await cursor.fetchone()
    return found[0] if found else None


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
