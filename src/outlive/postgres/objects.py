"""Objects in a PostgreSQL database: for the archive of those who run their own servers, not for packs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import takewhile

from outlive.core.limits import check_limit
from outlive.core.object_keys import check_key, check_prefix
from outlive.errors import AlreadyExists, NotFound
from outlive.postgres import sql
from outlive.postgres.database import Database
from outlive.protocols import Clock, ObjectInfo

CONNECTIONS = 2
"""Who collects and who looks."""


class PostgresObjects:
    """Implements `protocols.Objects`: a row per object, inserted once, never updated.

    Connects with the first call: a worker starts and works while this server is down.
    """

    def __init__(self, url: str, clock: Clock, *, wait_seconds: float = 10.0) -> None:
        """`postgresql://…?schema=NAME`, as for a table; `clock` stamps what is put."""
        self._url, self._clock, self._wait_seconds = url, clock, wait_seconds
        self._opened: Database | None = None
        self._opening = asyncio.Lock()

    async def put(self, key: str, data: bytes) -> None:
        check_key(key)
        values = {"key": key.encode(), "body": data, "at": self._clock.now()}
        if not await (await self._database()).rows(sql.CREATE_OBJECT, values):
            raise AlreadyExists(f"There is an object {key!r} already.")

    async def get(self, key: str) -> bytes:
        check_key(key)
        found = await (await self._database()).rows(sql.READ_OBJECT, {"key": key.encode()})
        if not found:
            raise NotFound(f"There is no object {key!r}.")
        return bytes(found[0][0])

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[ObjectInfo]:
        check_prefix(prefix)
        check_limit(limit)
        values = {"prefix": prefix.encode(), "after": after.encode(), "limit": limit}
        rows = await (await self._database()).rows(sql.LIST_OBJECTS, values)
        infos = (ObjectInfo(bytes(key).decode(), size, at) for key, size, at in rows)
        # Keys that share a prefix are neighbours, so the first that does not have it ends the listing.
        return list(takewhile(lambda info: info.key.startswith(prefix), infos))

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            check_key(key)
        await (await self._database()).rows(sql.DELETE_OBJECTS, {"keys": [key.encode() for key in keys]})

    async def ping(self) -> None:
        await (await self._database()).ping()

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()

    async def _database(self) -> Database:
        async with self._opening:
            if self._opened is None:
                self._opened = await Database.open(self._url, connections=CONNECTIONS, wait_seconds=self._wait_seconds)
        return self._opened
