"""The contract suite of `HotCache`, cut by promise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from outlive.errors import Invalid, Unavailable
from outlive.protocols import HotCache
from outlive.testing.contract import Contract

MINUTE = 60.0
SHORT = 0.05

OUTAGE: Mapping[str, Callable[[HotCache], Awaitable[object]]] = {
    "get": lambda cache: cache.get("k"),
    "put": lambda cache: cache.put("k", b"", seconds=MINUTE),
    "delete": lambda cache: cache.delete(["k"]),
    "ping": lambda cache: cache.ping(),
}
"""A call of every method that needs the backend."""


class HotCacheContract(Contract, ABC):
    """What a cache's test class supplies, and the handle every test gets."""

    can_fail = True
    """False for a cache that has no backend to lose."""

    @abstractmethod
    async def connect(self, place: Path) -> HotCache:
        """A handle on an empty cache of this test's own."""

    @abstractmethod
    async def sever(self, cache: HotCache) -> None:
        """Break what is behind the handle, so that each of its calls fails as it would in an outage."""

    @abstractmethod
    async def wait(self, seconds: float) -> None:
        """Let time pass by the cache's clock."""

    @pytest_asyncio.fixture
    async def cache(self, tmp_path: Path) -> AsyncIterator[HotCache]:
        """The handle under test."""
        cache = await self.connect(tmp_path)
        yield cache
        await cache.close()


class Keeping(HotCacheContract):
    """A value is kept for a while."""

    async def test_a_value_comes_back(self, cache: HotCache) -> None:
        """What was put is got, and a second put replaces it."""
        await cache.put("k", b"one", seconds=MINUTE)
        await cache.put("k", b"two", seconds=MINUTE)
        assert await cache.get("k") == b"two"

    async def test_what_never_was_is_none(self, cache: HotCache) -> None:
        """An unknown key is no error."""
        assert await cache.get("k") is None

    async def test_a_value_runs_out(self, cache: HotCache) -> None:
        """After its time a value is gone, and another with more time is not."""
        await cache.put("short", b"v", seconds=SHORT)
        await cache.put("long", b"v", seconds=MINUTE)
        await self.wait(SHORT * 2)
        assert [await cache.get("short"), await cache.get("long")] == [None, b"v"]

    async def test_what_is_deleted_is_gone(self, cache: HotCache) -> None:
        """Deleted values are gone, the others stay, and to delete what is not there is no error."""
        for key in ("a", "b", "c"):
            await cache.put(key, b"v", seconds=MINUTE)
        await cache.delete(["a", "c", "never"])
        assert [await cache.get(key) for key in ("a", "b", "c")] == [None, b"v", None]


class OddValues(HotCacheContract):
    """Any bytes and any key that is text."""

    @pytest.mark.parametrize("value", [b"", b"\0", bytes(range(256)), b"x" * 300_000])
    async def test_odd_values_come_back(self, cache: HotCache, value: bytes) -> None:
        """Empty, binary and large values come back unchanged."""
        await cache.put("k", value, seconds=MINUTE)
        assert await cache.get("k") == value

    @pytest.mark.parametrize("key", ["a/b:c", "\0", "ключ 🔑", "k" * 5000, " "])
    async def test_odd_keys_are_kept_apart(self, cache: HotCache, key: str) -> None:
        """A key with separators, NUL, emoji or of 5 KB is a key of its own."""
        await cache.put(key, b"v", seconds=MINUTE)
        assert [await cache.get(key), await cache.get(key + "x")] == [b"v", None]

    @pytest.mark.parametrize("key", ["", "\ud800"])
    async def test_what_is_no_key_is_refused(self, cache: HotCache, key: str) -> None:
        """An empty key and one that is no Unicode are the caller's fault."""
        with pytest.raises(Invalid, match="cache key"):
            await cache.put(key, b"v", seconds=MINUTE)


class Failing(HotCacheContract):
    """An outage is `Unavailable`, on every method."""

    @pytest.mark.parametrize("method", OUTAGE)
    async def test_a_broken_backend_is_unavailable(self, cache: HotCache, method: str) -> None:
        """Each method fails by name, with the vendor's own error kept."""
        await self.sever(cache)
        if not self.can_fail:
            await OUTAGE[method](cache)
            return
        with pytest.raises(Unavailable) as caught:
            await OUTAGE[method](cache)
        assert caught.value.original is not None


class HotCacheSuite(Keeping, OddValues, Failing):
    """All of it: subclass this."""
