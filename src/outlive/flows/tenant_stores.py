"""Stores opened for one tenant: no key of another tenant can be expressed through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from outlive.core.keys import Tenant, parse_tenant
from outlive.protocols import At, Expected, LeaseChange, ObjectInfo, Objects, Row, Table


@dataclass(frozen=True, slots=True)
class TenantStores:
    """A tenant's view of the table and the objects."""

    tenant: Tenant
    table: Table
    objects: Objects
    archive: Objects
    """Where the audit log and the conversations are kept; the objects themselves, unless they have a place of their
    own."""
    stale: Table
    """The table for reads that may be minutes old: results of tools, preferences, older pages of messages. Nothing is
    changed through it."""


def open_stores(
    table: Table, objects: Objects, tenant: str, archive: Objects | None = None, stale: Table | None = None
) -> TenantStores:
    """Open all for a tenant; `Invalid` when the tenant's name is not valid. Without `stale` nothing read is old."""
    checked = parse_tenant(tenant)
    prefix = f"{checked}/"
    own = _TenantObjects(objects, prefix)
    kept = own if archive is None else _TenantObjects(archive, prefix)
    return TenantStores(checked, PrefixedTable(table, prefix), own, kept, PrefixedTable(stale or table, prefix))


class PrefixedTable:
    """A table below a prefix: a tenant's, or a region's in a table that all regions share."""

    def __init__(self, table: Table, prefix: str) -> None:
        self._table = table
        self._prefix = prefix

    async def read(self, key: str) -> Row | None:
        return self._strip(await self._table.read(self._prefix + key))

    async def write(
        self, key: str, body: bytes, *, expected: Expected, lease: LeaseChange, expires_at: float | None
    ) -> Row:
        row = await self._table.write(self._prefix + key, body, expected=expected, lease=lease, expires_at=expires_at)
        return _renamed(row, key)

    async def acquire(self, key: str, owner: str, *, now: float, until: float) -> Row | None:
        return self._strip(await self._table.acquire(self._prefix + key, owner, now=now, until=until))

    async def delete(self, key: str, *, expected: At) -> None:
        await self._table.delete(self._prefix + key, expected=expected)

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> Sequence[Row]:
        start = self._prefix + after if after else ""
        rows = await self._table.scan(self._prefix + prefix, after=start, limit=limit)
        return [_renamed(row, row.key.removeprefix(self._prefix)) for row in rows]

    async def ping(self) -> None:
        await self._table.ping()

    async def close(self) -> None:
        """Nothing: who opened the table closes it."""

    def _strip(self, row: Row | None) -> Row | None:
        return row and _renamed(row, row.key.removeprefix(self._prefix))


def _renamed(row: Row, key: str) -> Row:
    return Row(key, row.body, row.version, row.fence, row.owner, row.until, row.expires_at)


class _TenantObjects:
    """Objects below the tenant's prefix."""

    def __init__(self, objects: Objects, prefix: str) -> None:
        self._objects = objects
        self._prefix = prefix

    async def put(self, key: str, data: bytes) -> None:
        await self._objects.put(self._prefix + key, data)

    async def get(self, key: str) -> bytes:
        return await self._objects.get(self._prefix + key)

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[ObjectInfo]:
        start = self._prefix + after if after else ""
        found = await self._objects.list(self._prefix + prefix, after=start, limit=limit)
        return [replace(info, key=info.key.removeprefix(self._prefix)) for info in found]

    async def delete(self, keys: Sequence[str]) -> None:
        await self._objects.delete([self._prefix + key for key in keys])

    async def ping(self) -> None:
        await self._objects.ping()

    async def close(self) -> None:
        """Nothing: who opened the objects closes them."""
