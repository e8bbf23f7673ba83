"""Objects that lie sealed: whoever has the store, a copy or a backup of it reads nothing without the tenant's key."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from outlive.core.tenant_keys import owner_of
from outlive.encryption.key_ring import KeyRing
from outlive.encryption.sealing import OVERHEAD, key_id_of, seal, unseal
from outlive.errors import Corrupt
from outlive.protocols import ObjectInfo, Objects

THREAD_FROM = 256 * 1024
"""Larger values are sealed off the event loop."""


class EncryptedObjects:
    """Implements `protocols.Objects` over any other: the same keys and sizes, other bytes underneath."""

    def __init__(self, objects: Objects, ring: KeyRing, *, reads_plain: bool = False) -> None:
        """`reads_plain`: what was stored before encryption was switched on is still read."""
        self._objects, self._ring, self._reads_plain = objects, ring, reads_plain

    async def put(self, key: str, data: bytes) -> None:
        secret = await self._ring.for_writing(owner_of(key))
        if len(data) < THREAD_FROM:
            sealed = seal(secret, data, key)
        else:
            sealed = await asyncio.to_thread(seal, secret, data, key)
        await self._objects.put(key, sealed)

    async def get(self, key: str) -> bytes:
        sealed = await self._objects.get(key)
        key_id = key_id_of(sealed)
        if key_id is None:
            if self._reads_plain:
                return sealed
            raise not_sealed(f"object {key}")
        secret = await self._ring.for_reading(owner_of(key), key_id, f"object {key}")
        if len(sealed) < THREAD_FROM:
            return unseal(secret, sealed, key)
        return await asyncio.to_thread(unseal, secret, sealed, key)

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[ObjectInfo]:
        found = await self._objects.list(prefix, after=after, limit=limit)
        return [replace(info, size=max(info.size - OVERHEAD, 0)) for info in found]

    async def delete(self, keys: Sequence[str]) -> None:
        await self._objects.delete(keys)

    async def ping(self) -> None:
        await self._objects.ping()
        await self._ring.ping()

    async def close(self) -> None:
        await self._objects.close()


def not_sealed(place: str) -> Corrupt:
    """What lies there in the open was not put by us, or before encryption was switched on."""
    fix = "Set OUTLIVE_KEY_PLAIN=read if it is older than the encryption; otherwise restore it from a backup."
    return Corrupt(f"{place} is not encrypted.", fix=fix)
