"""A hot cache in a Redis or Valkey server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from redis.asyncio import Redis

from outlive.core.limits import check_text
from outlive.redis.client import PREFIX, open_client, place_of, translated

TIMEOUT = 0.5
"""Seconds for a call: a cache that is slower than the object store behind it is none."""


class RedisHotCache:
    """Implements `protocols.HotCache` with GET, SET with an expiry, and UNLINK."""

    def __init__(self, client: Redis, place: str) -> None:
        """Use `RedisHotCache.open`. `place` names the server in errors, without the password."""
        self._client, self._place = client, place
        self._asked: dict[str, None] = {}
        self._answers: asyncio.Task[dict[str, bytes | None]] | None = None

    @classmethod
    async def open(cls, url: str, *, wait_seconds: float = TIMEOUT) -> RedisHotCache:
        """`redis://[user:password@]host[:port][/db]`, `rediss://` with TLS, `unix:///path`; nothing is connected yet.

        A server that is not there is no error here: a hot cache may be down. `Invalid` for a URL that is none.
        """
        client = open_client(url, "hot cache", wait_seconds=wait_seconds, connect_seconds=wait_seconds)
        return cls(client, place_of(url))

    async def get(self, key: str) -> bytes | None:
        check_text("cache key", key)
        self._asked[key] = None
        if self._answers is None:
            self._answers = asyncio.create_task(self._ask())
        return (await asyncio.shield(self._answers))[key]

    async def _ask(self) -> dict[str, bytes | None]:
        """What was asked for in one moment, as the packs of a resume are: one round trip, on one connection.

        A pipeline, not MGET: in a cluster the keys lie on different servers.
        """
        keys, self._asked, self._answers = list(self._asked), {}, None
        async with self._translated(), self._client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.get(PREFIX + key)
            return dict(zip(keys, await pipeline.execute(), strict=True))

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        check_text("cache key", key)
        async with self._translated():
            await self._client.set(PREFIX + key, value, px=max(1, int(seconds * 1000)))

    async def delete(self, keys: Sequence[str]) -> None:
        async with self._translated():
            for key in keys:  # one by one: in a cluster they lie on different servers
                await self._client.unlink(PREFIX + key)

    async def ping(self) -> None:
        async with self._translated():
            await self._client.ping()

    async def close(self) -> None:
        await self._client.aclose()

    def _translated(self) -> AbstractAsyncContextManager[None]:
        return translated(self._place, "everything is read from the object store")
