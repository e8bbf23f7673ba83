"""Table and objects that reach each tenant's part with credentials for that part alone."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from outlive.aws.client import TemporaryKeys
from outlive.aws.scopes import Scopes
from outlive.aws.table import DynamoTable
from outlive.errors import Refused
from outlive.protocols import At, Expected, LeaseChange, ObjectInfo, Objects, Row

MAX_OPEN = 32
"""Tenants whose clients are kept."""

OpenObjects = Callable[[Mapping[str, str]], Awaitable[Objects]]
"""Opens the objects with these credentials, as obstore names them."""


class _Closing(Protocol):
    async def close(self) -> None: ...


S = TypeVar("S", bound=_Closing)


class _PerScope(Generic[S]):
    """A store for each name that keys begin with; the one longest unused is closed when there are too many."""

    def __init__(self, scopes: Scopes, open_store: Callable[[TemporaryKeys], Awaitable[S]]) -> None:
        self._scopes, self._open = scopes, open_store
        self._stores: OrderedDict[str, tuple[float, S]] = OrderedDict()
        self._retired: list[S] = []
        self._lock = asyncio.Lock()

    async def of(self, key: str) -> S:
        """The store for what lies where `key` does; `Refused` for a key that names nobody."""
        scope, slash, _ = key.partition("/")
        if not scope or not slash:
            raise Refused("with OUTLIVE_TURN_ROLE nobody sees the records of all tenants.")
        async with self._lock:
            taken_at, store = self._stores.get(scope, (0.0, None))
            if store is None or not self._scopes.is_fresh(taken_at):
                taken = await self._scopes.for_tenant(scope)
                await self._retire(scope)
                store = await self._open(taken.keys)
                self._stores[scope] = taken.at, store
            self._stores.move_to_end(scope)
            if len(self._stores) > MAX_OPEN:
                await self._retire(next(iter(self._stores)))
        return store

    async def close(self) -> None:
        for store in [*self._retired, *(store for _, store in self._stores.values())]:
            await store.close()
        self._stores.clear()
        self._retired.clear()

    async def _retire(self, scope: str) -> None:
        """No new request through it; one that is under way may end."""
        _, store = self._stores.pop(scope, (0.0, None))
        if store is not None:
            self._retired.append(store)
        if len(self._retired) > MAX_OPEN:
            await self._retired.pop(0).close()


class ScopedTable:
    """Implements `protocols.Table`."""

    def __init__(self, scopes: Scopes, url: str) -> None:
        """The table at `url`; a role is taken when a tenant is first asked for."""
        self._tables = _PerScope(scopes, lambda keys: DynamoTable.open(url, keys=keys))

    async def read(self, key: str) -> Row | None:
        return await (await self._tables.of(key)).read(key)

    async def write(
        self, key: str, body: bytes, *, expected: Expected, lease: LeaseChange, expires_at: float | None
    ) -> Row:
        table = await self._tables.of(key)
        return await table.write(key, body, expected=expected, lease=lease, expires_at=expires_at)

    async def acquire(self, key: str, owner: str, *, now: float, until: float) -> Row | None:
        return await (await self._tables.of(key)).acquire(key, owner, now=now, until=until)

    async def delete(self, key: str, *, expected: At) -> None:
        await (await self._tables.of(key)).delete(key, expected=expected)

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> Sequence[Row]:
        return await (await self._tables.of(prefix)).scan(prefix, after=after, limit=limit)

    async def ping(self) -> None:
        """Whether it answers to somebody who may see nothing in it."""
        await (await self._tables.of("_ping/")).read("_ping/")

    async def close(self) -> None:
        await self._tables.close()


class ScopedObjects:
    """Implements `protocols.Objects`."""

    def __init__(self, scopes: Scopes, open_objects: OpenObjects) -> None:
        """A role is taken when a tenant is first asked for."""

        async def open_with(keys: TemporaryKeys) -> Objects:
            return await open_objects(
                {
                    "access_key_id": keys.access_key_id,
                    "secret_access_key": keys.secret_access_key,
                    "session_token": keys.session_token,
                }
            )

        self._objects = _PerScope(scopes, open_with)

    async def put(self, key: str, data: bytes) -> None:
        await (await self._objects.of(key)).put(key, data)

    async def get(self, key: str) -> bytes:
        return await (await self._objects.of(key)).get(key)

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[ObjectInfo]:
        return await (await self._objects.of(prefix)).list(prefix, after=after, limit=limit)

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            await (await self._objects.of(key)).delete([key])

    async def ping(self) -> None:
        """Whether it answers to somebody who may see nothing in it."""
        await (await self._objects.of("_ping/")).list("_ping/", limit=1)

    async def close(self) -> None:
        await self._objects.close()
