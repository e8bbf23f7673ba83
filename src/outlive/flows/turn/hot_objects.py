"""Objects with copies of the small ones kept near at hand: the hot tier in front of the object store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import blake2b

from outlive.errors import Unavailable
from outlive.protocols import Clock, HotCache, ObjectInfo, Objects

KEEP_SECONDS = 900.0
"""15 minutes, as in the original design."""
MAX_BYTES = 256 * 1024
"""Larger objects are not copied: what a large one takes to read is its bytes, not the request."""
PAUSE_SECONDS = 5.0
"""How long a cache that failed is left alone: a turn must not wait for it again and again."""
_DIGEST = 16


@dataclass(slots=True)
class HotReads:
    """How the reads of one block went."""

    hits: int = 0
    misses: int = 0
    down: bool = False
    """A read found the cache down, or it was left alone because it had been."""

    def __str__(self) -> str:
        """For a trace; empty where there is no hot tier, or nothing was read."""
        asked = self.hits + self.misses
        return f", hot tier: {'down, ' if self.down else ''}{self.hits} of {asked}" if asked else ""


_READS: ContextVar[HotReads | None] = ContextVar("hot_reads", default=None)


@contextmanager
def hot_reads() -> Iterator[HotReads]:
    """Count the reads that the block makes, and no other turn's."""
    reads = HotReads()
    token = _READS.set(reads)
    try:
        yield reads
    finally:
        _READS.reset(token)


class HotObjects:
    """Implements `protocols.Objects` over the object store and a cache of it.

    Objects are immutable and their keys are never used twice, so a copy cannot be stale; each carries a digest of its
    key and bytes, so one that is damaged or another's counts as missing. Only what the store has acknowledged is
    copied. The cache may be down or empty at any time: then the store is read, and nothing else changes.
    """

    def __init__(self, objects: Objects, cache: HotCache, clock: Clock) -> None:
        """`objects` is the source of truth; both are closed by whoever opened them."""
        self._objects, self._cache, self._clock = objects, cache, clock
        self._pause_until = float("-inf")
        self.hits = 0
        self.misses = 0
        self.failures = 0
        """Calls to the cache that failed."""

    async def put(self, key: str, data: bytes) -> None:
        await self._objects.put(key, data)
        await self._keep(key, data)

    async def get(self, key: str) -> bytes:
        copy, reads = await self._copy(key), _READS.get() or HotReads()
        if copy is not None:
            self.hits, reads.hits = self.hits + 1, reads.hits + 1
            return copy
        self.misses, reads.misses = self.misses + 1, reads.misses + 1
        data = await self._objects.get(key)
        await self._keep(key, data)
        return data

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[ObjectInfo]:
        return await self._objects.list(prefix, after=after, limit=limit)

    async def delete(self, keys: Sequence[str]) -> None:
        """The copies, too; those in a cache that does not answer run out by themselves, after `KEEP_SECONDS`."""
        await self._objects.delete(keys)
        try:
            await self._cache.delete(keys)
        except Unavailable:
            self._failed()

    async def ping(self) -> None:
        await self._objects.ping()

    async def close(self) -> None:
        await self._objects.close()

    async def _copy(self, key: str) -> bytes | None:
        reads = _READS.get() or HotReads()
        if self._clock.now() < self._pause_until:
            reads.down = True
            return None
        try:
            stored = await self._cache.get(key)
        except Unavailable:
            reads.down = True
            self._failed()
            return None
        if stored is None or stored[:_DIGEST] != _digest(key, stored[_DIGEST:]):
            return None
        return stored[_DIGEST:]

    async def _keep(self, key: str, data: bytes) -> None:
        if len(data) > MAX_BYTES or self._clock.now() < self._pause_until:
            return
        try:
            await self._cache.put(key, _digest(key, data) + data, seconds=KEEP_SECONDS)
        except Unavailable:
            self._failed()

    def _failed(self) -> None:
        self.failures += 1
        self._pause_until = self._clock.now() + PAUSE_SECONDS


def _digest(key: str, data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST, key=blake2b(key.encode(), digest_size=32).digest()).digest()
