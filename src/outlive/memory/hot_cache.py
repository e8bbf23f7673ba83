"""A hot cache in this process's memory: the least recently used entries go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from outlive.core.limits import check_text
from outlive.protocols import Clock

MAX_BYTES = 64 << 20


class MemoryHotCache:
    """Implements `protocols.HotCache`; shared by whoever is given it, gone with the process."""

    def __init__(self, *, clock: Clock, max_bytes: int = MAX_BYTES) -> None:
        """`max_bytes` of values together; a larger one is not kept at all."""
        self._clock, self._max_bytes = clock, max_bytes
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._size = 0

    async def get(self, key: str) -> bytes | None:
        check_text("cache key", key)
        value, until = self._entries.get(key, (b"", 0.0))
        if until <= self._clock.now():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        check_text("cache key", key)
        self._drop(key)
        if len(value) > self._max_bytes:
            return
        self._entries[key] = (value, self._clock.now() + seconds)
        self._size += len(value)
        while self._size > self._max_bytes:
            self._drop(next(iter(self._entries)))

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._drop(key)

    async def ping(self) -> None:
        """Memory is always there."""

    async def close(self) -> None:
        self._entries.clear()
        self._size = 0

    def _drop(self, key: str) -> None:
        value, _ = self._entries.pop(key, (b"", 0.0))
        self._size -= len(value)
