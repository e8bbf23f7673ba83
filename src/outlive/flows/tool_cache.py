"""Tool results kept for a while: found again by what was asked, counted, invalidated without a scan."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from outlive.core.tool_cache import (
    INLINE_BYTES,
    MAX_BYTES,
    Cached,
    CacheKey,
    cache_key,
    check_ttl,
    decode_cached,
    encode_cached,
    result_digest,
)
from outlive.errors import AlreadyExists, Conflict, Corrupt, NotFound, Unavailable, VersionConflict
from outlive.flows.retry import put_once
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Absent, At, Clock, Expected, Keep, Row

BLOBS = "toolcache/"
ATTEMPTS = 100

Call = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool answered, now or before."""

    content: bytes
    is_cached: bool


class ToolCache:
    """The cache of one tenant; shared by all its workers, single flight within one of them.

    A store that fails never fails the tool: the call is made, and nothing is kept. Errors of the tool are never kept.
    """

    def __init__(self, stores: TenantStores, clock: Clock) -> None:
        self._stores, self._clock = stores, clock
        self._flights: dict[CacheKey, asyncio.Future[Result]] = {}
        self.hits = 0
        self.misses = 0

    async def call(self, profile: str, tool: str, parameters: dict[str, Any], call: Call, *, ttl: float) -> Result:
        """The kept result for these parameters, or `call()`'s, kept for `ttl` seconds.

        Of several who ask at once in this process one calls, and the others get its result or its error.
        `Invalid` for parameters that are not JSON and for a TTL out of range.
        """
        check_ttl(ttl)
        key = cache_key(profile, tool, parameters)
        if (flight := self._flights.get(key)) is not None:
            return await asyncio.shield(flight)
        flight = self._flights[key] = asyncio.ensure_future(self._find_or_call(key, call, ttl))
        flight.add_done_callback(lambda _: self._flights.pop(key, None))
        return await asyncio.shield(flight)

    async def invalidate(self, profile: str, tool: str, parameters: dict[str, Any] | None = None) -> None:
        """Forget the result for these parameters, or every result of the tool: two requests, however many there are."""
        if parameters is None:
            await self._count(cache_key(profile, tool, {}).generation)
            return
        key = cache_key(profile, tool, parameters)
        row = await self._stores.table.read(key.record)
        if row is not None:
            with suppress(VersionConflict):  # gone, or asked anew, meanwhile
                await self._stores.table.delete(row.key, expected=At(row.version, row.fence))

    async def hits_of(self, profile: str, tool: str, parameters: dict[str, Any]) -> int:
        """How often the result for these parameters was used."""
        return _number(await self._stores.table.read(cache_key(profile, tool, parameters).hits))

    async def _find_or_call(self, key: CacheKey, call: Call, ttl: float) -> Result:
        generation: int | None = None
        with suppress(Unavailable):
            row, counted = await asyncio.gather(
                self._stores.table.read(key.record), self._stores.table.read(key.generation)
            )
            generation = _number(counted)
            found = await self._found(key, row, generation)
            if found is not None:
                self.hits += 1
                with suppress(Unavailable, Conflict):
                    await self._count(key.hits)
                return Result(found, is_cached=True)
        self.misses += 1
        content = await call()
        if generation is not None and len(content) <= MAX_BYTES:
            with suppress(Unavailable, Conflict):
                await self._keep(key, content, generation, ttl)
        return Result(content, is_cached=False)

    async def _found(self, key: CacheKey, row: Row | None, generation: int) -> bytes | None:
        """The result of this record, if it is still one for this call and its bytes are the ones that were kept."""
        if row is None or (row.expires_at is not None and row.expires_at <= self._clock.now()):
            return None
        try:
            cached = decode_cached(row.body, row.key)
            if cached.parameters != key.parameters or cached.generation != generation:
                return None
            content = cached.inline if cached.blob is None else await self._stores.objects.get(cached.blob)
        except (Corrupt, NotFound):
            return None
        return content if content is not None and result_digest(content) == cached.digest else None

    async def _keep(self, key: CacheKey, content: bytes, generation: int, ttl: float) -> None:
        digest, now = result_digest(content), self._clock.now()
        inline, blob = (content, None) if len(content) <= INLINE_BYTES else (None, _blob_key(digest, now))
        if blob is not None:
            await put_once(self._stores.objects, blob, content, self._clock)
        body = encode_cached(Cached(key.parameters, generation, now, len(content), inline, blob, digest))
        row = await self._stores.table.read(key.record)
        expected: Expected = Absent() if row is None else At(row.version, row.fence)
        await self._stores.table.write(key.record, body, expected=expected, lease=Keep(), expires_at=now + ttl)

    async def _count(self, name: str) -> None:
        """Add one to a counter of its own, whoever else does so at the same moment."""
        for _ in range(ATTEMPTS):
            row = await self._stores.table.read(name)
            expected: Expected = Absent() if row is None else At(row.version, row.fence)
            body = str(_number(row) + 1).encode()
            with suppress(AlreadyExists, VersionConflict):
                await self._stores.table.write(name, body, expected=expected, lease=Keep(), expires_at=None)
                return
        raise Conflict(f"counter {name} is written by too many at once.", fix="Try again.")


def _number(row: Row | None) -> int:
    return 0 if row is None else int(row.body)


def _blob_key(digest: str, now: float) -> str:
    """By the hour, so that old ones are found without reading any record."""
    return f"{BLOBS}{int(now // 3600):08d}/{digest}"
