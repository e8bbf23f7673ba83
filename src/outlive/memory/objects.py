"""Objects in memory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from outlive.core.limits import check_limit
from outlive.errors import AlreadyExists, Invalid, NotFound
from outlive.memory.server import MemoryServer
from outlive.protocols import Clock, ObjectInfo

KEY_BYTES = 900
SEGMENT = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._%=-]+")
PREFIX_END = re.compile(r"[A-Za-z0-9._%=-]*")
FIX = f"Join segments of A-Z a-z 0-9 . _ - % = with '/', none of them '.' or '..', {KEY_BYTES} bytes at most."


class MemoryObjects:
    """Nothing survives the process; handles on one server share its objects."""

    def __init__(self, server: MemoryServer | None = None, *, clock: Clock) -> None:
        """A handle on `server`, or on one of its own; `clock` stamps what is put."""
        self._server = server or MemoryServer()
        self._clock = clock

    async def put(self, key: str, data: bytes) -> None:
        _check_key(key)
        await self._server.answer()
        if key in self._server.blobs:
            raise AlreadyExists(f"There is an object {key!r} already.")
        self._server.blobs[key] = (bytes(data), self._clock.now())

    async def get(self, key: str) -> bytes:
        _check_key(key)
        await self._server.answer()
        try:
            return self._server.blobs[key][0]
        except KeyError:
            raise NotFound(f"There is no object {key!r}.") from None

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[ObjectInfo]:
        _check_prefix(prefix)
        check_limit(limit)
        await self._server.answer()
        keys = sorted(key for key in self._server.blobs if key.startswith(prefix) and key > after)
        return [self._info(key) for key in islice(keys, limit)]

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            _check_key(key)
        await self._server.answer()
        for key in keys:
            self._server.blobs.pop(key, None)

    async def ping(self) -> None:
        await self._server.answer()

    async def close(self) -> None:
        """Nothing was opened."""

    def _info(self, key: str) -> ObjectInfo:
        data, put_at = self._server.blobs[key]
        return ObjectInfo(key, len(data), put_at)


def _check_key(key: str) -> None:
    if len(key) > KEY_BYTES or not all(SEGMENT.fullmatch(segment) for segment in key.split("/")):
        raise Invalid(f"The object key {key[:120]!r} is not allowed.", fix=FIX)


def _check_prefix(prefix: str) -> None:
    *whole, end = prefix.split("/")
    if not all(SEGMENT.fullmatch(segment) for segment in whole) or not PREFIX_END.fullmatch(end):
        raise Invalid(f"No object key can start with {prefix[:120]!r}.", fix=FIX)
