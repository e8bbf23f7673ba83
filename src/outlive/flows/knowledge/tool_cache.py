"""Tool results kept for a while: found again by what was asked, counted, invalidated without a scan."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from outlive.core.statistics import Figures
from outlive.core.tool_cache import (
    BLOBS,
    HITS_TTL,
    INLINE_BYTES,
    MAX_BYTES,
    MAX_PARAMETERS,
    Cached,
    CacheKey,
    blob_key,
    cache_key,
    check_ttl,
    decode_cached,
    encode_cached,
    is_blob_over,
    result_digest,
    tool_prefixes,
)
from outlive.errors import AlreadyExists, Conflict, Corrupt, NotFound, TooLarge, Unavailable, VersionConflict
from outlive.flows.list_all import list_all, scan_all
from outlive.flows.retry import put_once
from outlive.flows.tally import Tally
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Absent, At, Clock, Expected, Keep, Row

ATTEMPTS = 100

Call = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool answered, now or before."""

    content: bytes
    is_cached: bool


@dataclass(frozen=True, slots=True)
class Stats:
    """What the cache holds of one tool."""

    entries: int
    bytes: int
    hits: int


class _Flight:
    """A call that one made and several may wait for; it is given up when none of them does any more."""

    def __init__(self, task: asyncio.Future[Result]) -> None:
        self.task = task
        self.is_given_up = False
        self._waiting = 0

    async def result(self) -> Result:
        self._waiting += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self._waiting -= 1
            if not self._waiting and not self.task.done():
                self.is_given_up = True
                self.task.cancel()


class ToolCache:
    """The cache of one tenant; shared by all its workers, single flight within one of them.

    A store that fails never fails the tool: the call is made, and nothing is kept. Errors of the tool are never kept.
    """

    def __init__(self, stores: TenantStores, clock: Clock, tally: Tally | None = None) -> None:
        """`tally` is told of what the tenant's statistics count."""
        self._stores, self._clock, self._tally = stores, clock, tally
        self._flights: dict[CacheKey, _Flight] = {}
        self.hits = 0
        self.misses = 0

    async def call(self, profile: str, tool: str, parameters: dict[str, Any], call: Call, *, ttl: float) -> Result:
        """The kept result for these parameters, or `call()`'s, kept for `ttl` seconds.

        Of several who ask at once in this process one calls, and the others get its result or its error.
        `Invalid` for parameters that are not JSON and for a TTL out of range.
        """
        check_ttl(ttl)
        key = cache_key(profile, tool, parameters)
        if len(key.parameters) > MAX_PARAMETERS:
            return Result(await call(), is_cached=False)
        flight = self._flights.get(key)
        if flight is None or flight.is_given_up:
            flight = self._flights[key] = _Flight(asyncio.ensure_future(self._find_or_call(key, call, ttl)))
            flight.task.add_done_callback(lambda task: self._landed(key, task))
        return await flight.result()

    async def get(self, profile: str, tool: str, parameters: dict[str, Any]) -> bytes | None:
        """The kept result for these parameters, counted as a hit; None when there is none. Raises `Unavailable`."""
        key = cache_key(profile, tool, parameters)
        found, _ = await self._look(key)
        return found

    async def put(self, profile: str, tool: str, parameters: dict[str, Any], content: bytes, *, ttl: float) -> None:
        """Keep a result that was made elsewhere for `ttl` seconds; `Invalid` or `TooLarge` for what cannot be kept."""
        check_ttl(ttl)
        if len(content) > MAX_BYTES:
            raise TooLarge(f"the result has {len(content):,} bytes.", fix=f"Keep {MAX_BYTES:,} at most.")
        key = cache_key(profile, tool, parameters)
        if len(key.parameters) > MAX_PARAMETERS:
            raise TooLarge("the parameters are too long.", fix=f"Keep them under {MAX_PARAMETERS:,} bytes of JSON.")
        with suppress(AlreadyExists, VersionConflict):  # somebody else has just kept one
            await self._keep(key, content, _number(await self._stores.table.read(key.generation)), ttl)

    async def stats(self, profile: str, tool: str) -> Stats:
        """What is kept of the tool, expired and invalidated entries left out, and how often anything of it was used."""
        entries, hits = tool_prefixes(profile, tool)
        generation = _number(await self._stores.table.read(cache_key(profile, tool, {}).generation))
        kept = [row for row in await scan_all(self._stores.table, entries, self._clock) if self._is_alive(row)]
        sizes = [each.size for row in kept if (each := decode_cached(row.body, row.key)).generation == generation]
        counted = await scan_all(self._stores.table, hits, self._clock)
        return Stats(len(sizes), sum(sizes), sum(_number(row) for row in counted))

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
                self._note(Figures(cache_entries=-1, cache_bytes=-_size(row)))

    async def hits_of(self, profile: str, tool: str, parameters: dict[str, Any]) -> int:
        """How often the result for these parameters was used."""
        return _number(await self._stores.table.read(cache_key(profile, tool, parameters).hits))

    def _landed(self, key: CacheKey, task: asyncio.Future[Result]) -> None:
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]

    async def _find_or_call(self, key: CacheKey, call: Call, ttl: float) -> Result:
        generation: int | None = None
        with suppress(Unavailable):
            found, generation = await self._look(key)
            if found is not None:
                return Result(found, is_cached=True)
        self.misses += 1
        self._note(Figures(cache_misses=1))
        content = await call()
        if generation is not None and len(content) <= MAX_BYTES:
            with suppress(Unavailable, Conflict):
                await self._keep(key, content, generation, ttl)
        return Result(content, is_cached=False)

    async def _look(self, key: CacheKey) -> tuple[bytes | None, int]:
        """The kept result, counted, and the tool's generation."""
        row, counted = await asyncio.gather(
            self._stores.stale.read(key.record), self._stores.table.read(key.generation)
        )
        generation = _number(counted)
        found = await self._found(key, row, generation)
        if found is not None:
            self.hits += 1
            self._note(Figures(cache_hits=1))
            with suppress(Unavailable, Conflict):
                await self._count(key.hits, expires_at=self._clock.now() + HITS_TTL)
        return found, generation

    def _is_alive(self, row: Row) -> bool:
        return row.expires_at is None or row.expires_at > self._clock.now()

    async def _found(self, key: CacheKey, row: Row | None, generation: int) -> bytes | None:
        """The result of this record, if it is still one for this call and its bytes are the ones that were kept."""
        if row is None or not self._is_alive(row):
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
        inline, blob = (content, None) if len(content) <= INLINE_BYTES else (None, blob_key(digest, now))
        if blob is not None:
            await put_once(self._stores.objects, blob, content, self._clock)
        body = encode_cached(Cached(key.parameters, generation, now, len(content), inline, blob, digest))
        row = await self._stores.table.read(key.record)
        expected: Expected = Absent() if row is None else At(row.version, row.fence)
        await self._stores.table.write(key.record, body, expected=expected, lease=Keep(), expires_at=now + ttl)
        before = _size(row)
        self._note(Figures(cache_entries=0 if row else 1, cache_bytes=len(content) - before))

    def _note(self, figures: Figures) -> None:
        if self._tally is not None:
            self._tally.add(self._stores.tenant, figures, self._clock.now())

    async def _count(self, name: str, *, expires_at: float | None = None) -> None:
        """Add one to a counter of its own, whoever else does so at the same moment."""
        for _ in range(ATTEMPTS):
            row = await self._stores.table.read(name)
            expected: Expected = Absent() if row is None else At(row.version, row.fence)
            body = str(_number(row) + 1).encode()
            with suppress(AlreadyExists, VersionConflict):
                await self._stores.table.write(name, body, expected=expected, lease=Keep(), expires_at=expires_at)
                return
        raise Conflict(f"counter {name} is written by too many at once.", fix="Try again.")


def _size(row: Row | None) -> int:
    """Of the result that a new one replaces."""
    with suppress(Corrupt):
        return decode_cached(row.body, row.key).size if row else 0
    return 0


def _number(row: Row | None) -> int:
    return 0 if row is None else int(row.body)


async def expired_results(stores: TenantStores, clock: Clock) -> list[str]:
    """The objects of large results that no record names any more."""
    found = await list_all(stores.objects, BLOBS, clock)
    return [info.key for info in found if is_blob_over(info.key, clock.now())]
