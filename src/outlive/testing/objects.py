"""The contract suite of `Objects`, cut by promise."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from outlive.errors import AlreadyExists, Invalid, NotFound, Unavailable
from outlive.protocols import Objects
from outlive.testing.contract import Contract, needs

SECOND = 1.0


class ObjectsContract(Contract, ABC):
    """What an object store's test class supplies, and the two handles every test gets."""

    @abstractmethod
    async def connect(self, place: Path) -> Objects:
        """A new handle on the objects kept at `place`, a folder that is this test's own and empty at first."""

    @abstractmethod
    async def sever(self, objects: Objects) -> None:
        """Break what is behind this handle, so that each of its calls fails as it would in an outage."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        """Where this test's objects are."""
        return tmp_path / "objects"

    @pytest_asyncio.fixture
    async def objects(self, place: Path) -> AsyncIterator[Objects]:
        """The handle under test."""
        objects = await self.connect(place)
        yield objects
        await objects.close()

    @pytest_asyncio.fixture
    async def other(self, place: Path) -> AsyncIterator[Objects]:
        """A second handle on the same objects: the back door, or another worker."""
        other = await self.connect(place)
        yield other
        await other.close()


async def keys_of(objects: Objects, prefix: str = "") -> list[str]:
    """Every key under the prefix."""
    return [info.key for info in await objects.list(prefix)]


class CreateOnly(ObjectsContract):
    """An object is created once and never changes."""

    async def test_another_handle_gets_what_was_put(self, objects: Objects, other: Objects) -> None:
        """A second handle reads the bytes that were put, as often as it likes."""
        await objects.put("a/b", b"one")
        assert await other.get("a/b") == b"one"
        assert await other.get("a/b") == b"one"

    async def test_a_missing_object_is_not_found(self, objects: Objects) -> None:
        """Getting a key nobody put is `NotFound` and names the key."""
        with pytest.raises(NotFound, match="no/body"):
            await objects.get("no/body")

    @pytest.mark.parametrize("data", [b"one", b"two", b""])
    async def test_a_taken_key_is_refused(self, objects: Objects, other: Objects, data: bytes) -> None:
        """A second put of a key is `AlreadyExists`, with the same bytes too, and the object stays as it was."""
        await other.put("k", b"one")
        with pytest.raises(AlreadyExists, match="k"):
            await objects.put("k", data)
        assert await other.get("k") == b"one"

    async def test_one_of_32_creators_wins(self, objects: Objects, other: Objects) -> None:
        """Of 32 concurrent puts of one key on two handles one succeeds, and its bytes are the object's."""
        tries = [(objects, other)[n % 2].put("deep/er/k", b"%d" % n * 999) for n in range(32)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        (winner,) = [n for n, result in enumerate(results) if result is None]
        assert sum(isinstance(result, AlreadyExists) for result in results) == 31
        assert await other.get("deep/er/k") == b"%d" % winner * 999
        assert await keys_of(other) == ["deep/er/k"]


class ExactBytes(ObjectsContract):
    """What is put is what is got."""

    @pytest.mark.parametrize("size", [0, 1, 4095, 65_537, 12_000_001])
    async def test_any_size_comes_back(self, objects: Objects, other: Objects, size: int) -> None:
        """An object of any size comes back whole, as bytes, and is listed with its size."""
        data = (bytes(range(256)) * (size // 256 + 1))[:size]
        await objects.put("k", data)
        got = await other.get("k")
        assert got == data
        assert isinstance(got, bytes)
        assert [info.size for info in await other.list("")] == [size]

    async def test_odd_bytes_come_back(self, objects: Objects, other: Objects) -> None:
        """NUL, line ends and what is no UTF-8 come back unchanged."""
        data = b"\x00\r\n\n\xff\xfe\xed\xa0\x80\x1a"
        await objects.put("k", data)
        assert await other.get("k") == data


class ListingInOrder(ObjectsContract):
    """A listing shows every object under the prefix once, in the order of code points of whole keys."""

    @needs("order of whole keys")
    async def test_keys_are_in_order_of_code_points(self, objects: Objects, other: Objects) -> None:
        """A slash sorts as a character of the key: 'a-b' and 'a.b' come before 'a/b', 'a0' after it."""
        keys = ["a/b", "a-b", "a.b", "a0", "a/-", "a/b-/c", "b", "A", "a%", "a=", "a/b0", "_", "c/d/e/f"]
        await asyncio.gather(*(other.put(key, b"") for key in keys))
        assert await keys_of(objects) == sorted(keys)

    @needs("keys below keys")
    async def test_an_object_may_lie_below_another_ones_key(self, objects: Objects) -> None:
        """'a' and 'a/b' can both be objects, and each is read and listed."""
        await objects.put("a", b"1")
        await objects.put("a/b", b"2")
        assert [await objects.get(key) for key in await keys_of(objects)] == [b"1", b"2"]

    async def test_a_prefix_need_not_end_at_a_slash(self, objects: Objects) -> None:
        """A prefix is a beginning of the key, not a folder, and neighbours stay out."""
        for key in ("p/aa/1", "p/ab/1", "p/abc", "p/b", "q/ab"):
            await objects.put(key, b"")
        assert await keys_of(objects, "p/ab") == ["p/ab/1", "p/abc"]
        assert await keys_of(objects, "p/ab/") == ["p/ab/1"]
        assert await keys_of(objects, "p/abc") == ["p/abc"]
        assert await keys_of(objects, "x") == []
        assert await keys_of(objects, "p/b/") == []

    @needs("case")
    async def test_upper_and_lower_case_are_different_keys(self, objects: Objects) -> None:
        """Keys that differ in case only are two objects, and neither is found by the other's prefix."""
        await objects.put("Acme/k", b"1")
        with pytest.raises(NotFound):
            await objects.get("acme/k")
        await objects.put("acme/k", b"2")
        assert await keys_of(objects, "a") == ["acme/k"]
        assert await objects.get("Acme/k") == b"1"

    @needs("order of whole keys")
    async def test_pages_join_to_the_whole(self, objects: Objects) -> None:
        """Reading on after the last key of each page visits every object once, in order."""
        keys = sorted(f"p/{n % 5}{'/-.'[n % 3]}{n:02}" for n in range(24))
        await asyncio.gather(*(objects.put(key, b"") for key in ["o/1", *keys, "q"]))
        seen: list[str] = []
        while page := await objects.list("p/", after=seen[-1] if seen else "", limit=5):
            assert len(page) <= 5
            seen += [info.key for info in page]
        assert seen == keys

    async def test_after_is_exclusive_and_need_not_exist(self, objects: Objects) -> None:
        """`after` starts behind that text, whether it is the key of an object, another key or no key at all."""
        for key in ("k/1", "k/2", "k/4"):
            await objects.put(key, b"")
        for after in ("k/2", "k/3", "k/2/x", "k/2 ", "k/2//"):
            assert [info.key for info in await objects.list("k/", after=after)] == ["k/4"]
        assert await objects.list("k/", after="z") == []
        assert [info.key for info in await objects.list("k/", after="a", limit=1)] == ["k/1"]

    async def test_a_listing_tells_when_an_object_was_put(self, objects: Objects) -> None:
        """Objects put in one go carry times within a minute of each other, in epoch seconds."""
        await objects.put("a", b"")
        await objects.put("b", b"")
        first, second = await objects.list("")
        assert abs(second.modified_at - first.modified_at) < 60 * SECOND
        assert first.modified_at > 1_000_000_000 * SECOND

    async def test_a_page_holds_at_least_one_object(self, objects: Objects) -> None:
        """A limit below one is refused and named."""
        with pytest.raises(Invalid, match="limit"):
            await objects.list("", limit=0)


class Deletion(ObjectsContract):
    """What is deleted is gone, and nothing else."""

    async def test_only_what_is_named_is_deleted(self, objects: Objects, other: Objects) -> None:
        """Deleting some objects leaves their neighbours, and removes them for every handle."""
        for key in ("s/1", "s/2", "s/10", "t/1", "s-1"):
            await other.put(key, key.encode())
        await objects.delete(["s/1", "t/1"])
        assert sorted(await keys_of(other)) == ["s-1", "s/10", "s/2"]
        assert await other.get("s/10") == b"s/10"
        with pytest.raises(NotFound):
            await other.get("s/1")

    async def test_deleting_what_is_gone_is_no_error(self, objects: Objects) -> None:
        """Missing keys among those to delete are passed over, the others are deleted; none at all is fine."""
        for key in ("k1", "k2", "k3"):
            await objects.put(key, b"")
        await objects.delete(["gone/1", "k1", "gone/2", "k3", "k1"])
        await objects.delete(["k1"])
        await objects.delete([])
        assert await keys_of(objects) == ["k2"]

    async def test_a_deleted_key_is_free_again(self, objects: Objects, other: Objects) -> None:
        """After a delete the key can be created anew, with other bytes."""
        await objects.put("a/b/c", b"one")
        await objects.delete(["a/b/c"])
        await other.put("a/b/c", b"two")
        assert await objects.get("a/b/c") == b"two"


BAD_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/./b",
    "a/..",
    "a b",
    "a\x00b",
    "a\n",
]
BAD_KEYS += ["a\\b", "é", "a#1", "~", "*", "C:", "\ud800", "k" * 901, "a/" * 450 + "b"]
FINE_KEYS = ["...", "a..b", "..a", "a..", ".a", "-", "_", "=", "%", "%2F", "%2e%2e/a", "-rf", "a.tmp", "CON"]
FINE_KEYS += ["/".join(["k" * 224] * 4), "k/" * 449 + "kk"]


class KeyRules(ObjectsContract):
    """Every allowed key works; every other is refused before the store is asked."""

    @pytest.mark.parametrize("key", BAD_KEYS, ids=lambda key: ascii(key[:12]))
    async def test_what_is_no_key_is_refused_and_named(self, objects: Objects, key: str) -> None:
        """A key outside the rules is `Invalid` on put, get and delete, and the message shows it."""
        calls = (lambda: objects.put(key, b""), lambda: objects.get(key), lambda: objects.delete(["a", key]))
        for call in calls:
            with pytest.raises(Invalid) as caught:
                await call()
            assert repr(key[:20])[1:-1] in str(caught.value)
        assert await keys_of(objects) == []

    async def test_a_refused_delete_deletes_nothing(self, objects: Objects) -> None:
        """One bad key among several leaves all the objects."""
        await objects.put("a", b"")
        with pytest.raises(Invalid):
            await objects.delete(["a", "../a"])
        assert await keys_of(objects) == ["a"]

    @pytest.mark.parametrize("prefix", ["/", "a//", "../", "a/../", "a b", "\x00"])
    async def test_a_prefix_of_no_key_is_refused(self, objects: Objects, prefix: str) -> None:
        """Listing by what no key can start with is `Invalid`, never an empty answer."""
        with pytest.raises(Invalid):
            await objects.list(prefix)

    @pytest.mark.parametrize("key", FINE_KEYS, ids=lambda key: key[:12])
    async def test_every_allowed_key_works(self, objects: Objects, other: Objects, key: str) -> None:
        """Odd but allowed keys are put, got, listed by every prefix of theirs and deleted."""
        await objects.put(key, b"data")
        assert await other.get(key) == b"data"
        for end in {0, 1, len(key) - 1, len(key)}:
            assert await keys_of(other, key[:end]) == [key]
        await objects.delete([key])
        assert await keys_of(other) == []

    @needs("long segments")
    async def test_a_key_may_be_one_segment(self, objects: Objects, other: Objects) -> None:
        """900 bytes without a slash are a key."""
        await objects.put("k" * 900, b"data")
        assert await other.get("k" * 900) == b"data"


class Durability(ObjectsContract):
    """What was acknowledged is there after everything is closed and opened again."""

    async def test_objects_survive_reopening(self, objects: Objects, place: Path) -> None:
        """Objects put and deleted before are so for a handle opened after all others closed."""
        await objects.put("a/kept", b"one")
        await objects.put("a/gone", b"two")
        await objects.delete(["a/gone"])
        await objects.close()
        again = await self.connect(place)
        assert await keys_of(again) == ["a/kept"]
        assert await again.get("a/kept") == b"one"
        await again.close()


CALLS: Mapping[str, Callable[[Objects], Awaitable[object]]] = {
    "put": lambda objects: objects.put("new", b""),
    "get": lambda objects: objects.get("k"),
    "list": lambda objects: objects.list(""),
    "delete": lambda objects: objects.delete(["k"]),
    "ping": lambda objects: objects.ping(),
}


class Failure(ObjectsContract):
    """An outage is an error, never an answer."""

    @pytest.mark.parametrize("name", CALLS)
    async def test_a_broken_backend_is_unavailable_on_every_method(self, objects: Objects, name: str) -> None:
        """Each call on a broken backend raises `Unavailable` with the vendor's own error inside."""
        await objects.put("k", b"")
        await self.sever(objects)
        with pytest.raises(Unavailable) as caught:
            await CALLS[name](objects)
        assert caught.value.original is not None

    async def test_every_method_is_in_the_outage(self) -> None:
        """The list of calls tried in an outage names every method of the protocol but `close`."""
        assert set(CALLS) == {name for name in vars(Objects) if not name.startswith("_")} - {"close"}

    async def test_ping_answers_while_the_backend_works(self, objects: Objects) -> None:
        """`ping` returns on a store that serves, an empty one too."""
        await objects.ping()

    async def test_closing_twice_is_fine(self, objects: Objects, other: Objects) -> None:
        """A second `close` does nothing, and other handles go on working."""
        await objects.close()
        await objects.close()
        await other.put("k", b"")


class ObjectsSuite(CreateOnly, ExactBytes, ListingInOrder, Deletion, KeyRules, Durability, Failure):
    """All that an `Objects` promises."""
