"""Messages passed on through Redis's pub/sub: at once, to whoever listens, and kept nowhere."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager

from redis.asyncio import Redis

from outlive.redis.client import PREFIX, open_client, place_of, translated

CONNECT_SECONDS = 0.5


class RedisBroadcast:
    """Implements `protocols.Broadcast` with PUBLISH and SUBSCRIBE."""

    def __init__(self, teller: Redis, listener: Redis, place: str) -> None:
        """Use `RedisBroadcast.open`. A listener waits as long as it takes, a teller does not."""
        self._teller, self._listener, self._place = teller, listener, place

    @classmethod
    async def open(cls, url: str) -> RedisBroadcast:
        """URLs as for the hot cache; nothing is connected yet, and a server that is not there is no error."""
        teller = open_client(url, "broadcast", wait_seconds=CONNECT_SECONDS, connect_seconds=CONNECT_SECONDS)
        listener = open_client(url, "broadcast", wait_seconds=None, connect_seconds=CONNECT_SECONDS)
        return cls(teller, listener, place_of(url))

    async def publish(self, topic: str, body: bytes) -> None:
        async with self._translated():
            await self._teller.publish(PREFIX + topic, body)

    async def listen(self, topic: str) -> AsyncGenerator[bytes, None]:
        """See `protocols.Broadcast`."""
        async with self._translated(), self._listener.pubsub() as heard:
            await heard.subscribe(PREFIX + topic)
            async for message in heard.listen():
                yield b"" if message["type"] == "subscribe" else bytes(message["data"])

    async def close(self) -> None:
        await self._teller.aclose()
        await self._listener.aclose()

    def _translated(self) -> AbstractAsyncContextManager[None]:
        return translated(self._place, "live text is read from the table")
