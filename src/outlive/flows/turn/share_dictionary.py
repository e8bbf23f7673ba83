"""Dictionaries of a tenant: found in a first turn, stored once, kept in memory by each worker."""

from __future__ import annotations

from outlive.core.boilerplate import BUILT_IN, SMALL_PACKS
from outlive.core.dictionaries import DROP_FROM, shared_part
from outlive.core.packs import Dictionary, pack_dictionary, unpack_dictionary
from outlive.errors import AlreadyExists, Corrupt, NotFound
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Clock

MOST = 64
"""Dictionaries a worker keeps in memory, some 50 KB each."""


class Dictionaries:
    """What this worker knows of stored dictionaries: their bytes, which never change, and not that they are there.

    Another process may have erased the tenant since, so whoever writes looks. It is a first turn's one listing.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], Dictionary] = {}

    async def share(self, stores: TenantStores, data: bytes, clock: Clock) -> Dictionary | None:
        """The dictionary to compress this data against, stored when it is new to the tenant; None for large packs."""
        found = shared_part(data)
        if found is None:
            return SMALL_PACKS if len(data) <= DROP_FROM else None
        key = dictionary_key(found.digest)
        if not await retrying(lambda: stores.objects.list(key, limit=1), clock):
            await retrying(lambda: _put(stores, key, found), clock)
        self._remember(stores.tenant, found)
        return found

    async def read(self, stores: TenantStores, digest: bytes, clock: Clock) -> Dictionary:
        """A stored dictionary; `Corrupt` when it is gone or damaged."""
        known = BUILT_IN.get(digest) or self._known.get((stores.tenant, digest))
        if known is not None:
            return known
        found = await self._fetch(stores, digest, clock)
        self._remember(stores.tenant, found)
        return found

    async def _fetch(self, stores: TenantStores, digest: bytes, clock: Clock) -> Dictionary:
        key = dictionary_key(digest)
        try:
            data = await retrying(lambda: stores.objects.get(key), clock)
        except NotFound as error:
            raise Corrupt(f"dictionary {digest.hex()} is missing.", fix="Restore the object from a backup.") from error
        return unpack_dictionary(data, digest)

    def _remember(self, tenant: str, dictionary: Dictionary) -> None:
        self._known[tenant, dictionary.digest] = dictionary
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]


async def _put(stores: TenantStores, key: str, dictionary: Dictionary) -> None:
    try:
        await stores.objects.put(key, pack_dictionary(dictionary))
    except AlreadyExists:
        return  # its name is its content: whoever was first wrote the same bytes


def dictionary_key(digest: bytes) -> str:
    """Where a dictionary lives, below the tenant's own prefix."""
    return f"dictionaries/{digest.hex()}"
