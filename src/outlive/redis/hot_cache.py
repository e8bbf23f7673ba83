"""A hot cache in a Redis or Valkey server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError

from outlive.core.limits import check_text
from outlive.errors import Invalid, Unavailable

TIMEOUT = 0.5
"""Seconds for a call: a cache that is slower than the object store behind it is none."""
PREFIX = "outlive:"


class RedisHotCache:
    """Implements `protocols.HotCache` with GET, SET with an expiry, and UNLINK: any server or cluster will do."""

    def __init__(self, client: Redis, place: str) -> None:
        """Use `RedisHotCache.open`. `place` names the server in errors, without the password."""
        self._client, self._place = client, place

    @classmethod
    async def open(cls, url: str, *, wait_seconds: float = TIMEOUT) -> RedisHotCache:
        """`redis://[user:password@]host[:port][/db]`, `rediss://` with TLS, `unix:///path`; nothing is connected yet.

        A server that is not there is no error here: a hot cache may be down. `Invalid` for a URL that is none.
        """
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise Invalid(f"hot cache URL {place!r} is not supported.", fix="Use redis://HOST:PORT/DB.")
        try:
            client = Redis.from_url(
                url,
                socket_timeout=wait_seconds,
                socket_connect_timeout=wait_seconds,
                retry=Retry(NoBackoff(), 1),  # one more try on a fresh connection: the server may have been restarted
            )
        except ValueError as error:
            raise Invalid(f"hot cache URL {place!r} is not valid: {error}.", fix="Use redis://HOST:PORT/DB.") from error
        return cls(client, place)

    async def get(self, key: str) -> bytes | None:
        check_text("cache key", key)
        async with self._translated():
            found = await self._client.get(PREFIX + key)
        return found.encode() if isinstance(found, str) else found

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

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """The one place that knows what Redis's errors mean."""
        try:
            yield
        except AuthenticationError as error:
            fix = "Correct the user and password in the URL."
            raise Unavailable(f"{self._place} refuses us: {error}.", original=error, fix=fix) from error
        except (RedisError, OSError) as error:
            fix = "Check that the server runs; until then everything is read from the object store."
            raise Unavailable(f"{self._place} does not answer: {error}.", original=error, fix=fix) from error
