"""Objects in both regions: put into both before they count, or into the other one soon."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress

from outlive.core.regions import Replication
from outlive.errors import AlreadyExists, Corrupt, NotFound, Unavailable
from outlive.flows.regions.copying import Copying
from outlive.flows.regions.pair import RegionPair
from outlive.protocols import ObjectInfo


class ReplicatedObjects:
    """Implements `protocols.Objects` over the objects of both regions; reads are of this region where it has them."""

    def __init__(self, pair: RegionPair, copying: Copying) -> None:
        """All are closed by whoever opened them."""
        self._pair, self._copying = pair, copying
        self._here, self._there = (pair.objects[name] for name in (pair.regions.own, pair.regions.other))

    async def put(self, key: str, data: bytes) -> None:
        """In synchronous mode `Unavailable` unless both have it: a retry then finds what is there already."""
        if self._pair.replication is Replication.SYNCHRONOUS and not await self._pair.is_alone():
            here, there = await asyncio.gather(_outcome(self._here.put(key, data)), self._put_there(key, data))
            for error in (there, here):
                if error is not None:
                    raise error
            return
        await self._here.put(key, data)
        self._copying.add(self._pair.regions.own, key, is_object=True)

    async def get(self, key: str) -> bytes:
        """This region's; what it lacks is read in the other, unless that one is left alone."""
        try:
            return await self._here.get(key)
        except NotFound:
            if await self._pair.is_alone():
                raise
        return await self._there.get(key)

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[ObjectInfo]:
        return await self._here.list(prefix, after=after, limit=limit)

    async def delete(self, keys: Sequence[str]) -> None:
        """In both; what the other does not remove now, it removes when it is back."""
        if await self._pair.is_alone():
            await self._here.delete(keys)
        else:
            await self._there.delete(keys)
            await self._here.delete(keys)

    async def ping(self) -> None:
        await self._here.ping()

    async def close(self) -> None:
        """Nothing: who opened the objects closes them."""

    async def _put_there(self, key: str, data: bytes) -> Exception | None:
        """An object that is there already is no error, if it has the same bytes."""
        error = await _outcome(self._there.put(key, data))
        if not isinstance(error, AlreadyExists):
            return error
        with suppress(Unavailable, NotFound):
            if await self._there.get(key) == data:
                return None
            return Corrupt(f"object {key} differs between the regions.", fix="See `outlive region status`.")
        return Unavailable(f"object {key} could not be read back in region {self._pair.regions.other}.")


async def _outcome(call: Awaitable[None]) -> Exception | None:
    try:
        await call
    except (Unavailable, AlreadyExists) as error:
        return error
    return None
