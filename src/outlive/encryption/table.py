"""A table whose bodies lie sealed; version, fence, lease and expiry stay open, for compare-and-set needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from outlive.core.limits import BODY_BYTES, check_table_key
from outlive.core.record_bodies import pack, unpack
from outlive.core.tenant_keys import SHARED, owner_of
from outlive.encryption.key_ring import KeyRing
from outlive.encryption.objects import not_sealed
from outlive.encryption.sealing import OVERHEAD, key_id_of, seal, unseal
from outlive.errors import TooLarge
from outlive.protocols import At, Expected, LeaseChange, Row, Table

MAX_BODY = BODY_BYTES - OVERHEAD


class EncryptedTable:
    """Implements `protocols.Table` over any other. Keys of records stay in the clear: they are what is looked up by.

    Bodies are packed before they are sealed: ciphertext does not shrink.
    """

    def __init__(self, table: Table, ring: KeyRing, *, reads_plain: bool = False) -> None:
        """`reads_plain`: what was stored before encryption was switched on is still read."""
        self._table, self._ring, self._reads_plain = table, ring, reads_plain

    async def read(self, key: str) -> Row | None:
        row = await self._table.read(key)
        return row and await self._opened(row)

    async def write(
        self, key: str, body: bytes, *, expected: Expected, lease: LeaseChange, expires_at: float | None
    ) -> Row:
        check_table_key(key)
        if len(body) > MAX_BODY:
            message = f"The record {key!r} would have {len(body)} bytes; {MAX_BODY} is the limit when it is encrypted."
            raise TooLarge(message, fix="Keep large values in the object store.")
        sealed = seal(await self._ring.for_writing(owner_of(key)), pack(body), key)
        row = await self._table.write(key, sealed, expected=expected, lease=lease, expires_at=expires_at)
        return replace(row, body=bytes(body))

    async def acquire(self, key: str, owner: str, *, now: float, until: float) -> Row | None:
        row = await self._table.acquire(key, owner, now=now, until=until)
        return row and await self._opened(row)

    async def delete(self, key: str, *, expected: At) -> None:
        await self._table.delete(key, expected=expected)

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> Sequence[Row]:
        """One page, opened. A record whose key was destroyed stays sealed, so that it can be found and removed.

        Listings over all tenants leave it out: one tenant's end must not keep the others from being served.
        """
        is_for_all = prefix.startswith("_") and owner_of(prefix) == SHARED
        while rows := await self._table.scan(prefix, after=after, limit=limit):
            found = [await self._opened(row, listed=True) for row in rows]
            page = [row for row in found if not (is_for_all and key_id_of(row.body))]
            if page:
                return page
            after = rows[-1].key
        return []

    async def ping(self) -> None:
        await self._table.ping()
        await self._ring.ping()

    async def close(self) -> None:
        await self._table.close()

    async def _opened(self, row: Row, *, listed: bool = False) -> Row:
        key_id, owner = key_id_of(row.body), owner_of(row.key)
        if key_id is None:
            if self._reads_plain:
                return row
            raise not_sealed(f"record {row.key}")
        if listed and await self._ring.is_destroyed(owner, key_id):
            return row
        secret = await self._ring.for_reading(owner, key_id, f"record {row.key}")
        return replace(row, body=unpack(unseal(secret, row.body, row.key), row.key))
