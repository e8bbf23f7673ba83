"""Every hot cache keeps the contract."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlive.memory.hot_cache import MemoryHotCache
from outlive.protocols import HotCache
from outlive.redis.hot_cache import RedisHotCache
from outlive.testing.clock import ManualClock
from outlive.testing.hot_cache import HotCacheSuite
from tests.servers import RedisServer


class TestMemoryHotCache(HotCacheSuite):
    """In memory, which is always there."""

    can_fail = False

    async def connect(self, place: Path) -> HotCache:
        self.clock = ManualClock()
        return MemoryHotCache(clock=self.clock)

    async def sever(self, cache: HotCache) -> None:
        """There is nothing to break."""

    async def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)


class TestRedisHotCache(HotCacheSuite):
    """In a real redis-server."""

    @pytest.fixture(autouse=True)
    def server(self, tmp_path: Path) -> Iterator[None]:
        """A server of this test's own."""
        self.redis = RedisServer(tmp_path / "redis")
        self.redis.start()
        yield
        self.redis.close()

    async def connect(self, place: Path) -> HotCache:
        return await RedisHotCache.open(self.redis.url)

    async def sever(self, cache: HotCache) -> None:
        self.redis.kill()

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
