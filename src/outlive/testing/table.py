"""The contract suite of `Table`, cut by promise."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from outlive.errors import AlreadyExists, Conflict, Invalid, TooLarge, Unavailable, VersionConflict
from outlive.protocols import Absent, At, Hold, Keep, Row, Table
from outlive.testing.contract import needs
from outlive.testing.table_contract import CALLS, LIMIT, NOW, TableContract, create, take, update
from outlive.testing.table_lease import LeaseAndFence


class CompareAndSet(TableContract):
    """Who writes has seen what is replaced; of several who saw the same, one writes."""

    async def test_a_new_record_is_at_version_1_without_a_lease(self, table: Table) -> None:
        """Creating a record returns it at version 1 and fence 0, held by nobody."""
        row = await table.write("k", b"one", expected=Absent(), lease=Keep(), expires_at=NOW + 5)
        assert row == Row(
            "k", b"one", version=1, fence=self.first_fence(row), owner=None, until=0.0, expires_at=NOW + 5
        )

    async def test_another_handle_reads_what_was_written(self, table: Table, other: Table) -> None:
        """A read through a second handle equals what the write returned."""
        created = await create(table, "k", b"one", Hold("a", NOW))
        assert await other.read("k") == created
        assert await other.read("k") == created

    async def test_a_record_that_is_not_there_reads_as_none(self, table: Table) -> None:
        """A key nobody wrote is None and no error."""
        assert await table.read("nobody") is None

    async def test_a_record_is_created_once(self, table: Table, other: Table) -> None:
        """Creating a record that exists is refused and leaves it as it was."""
        first = await create(other, "k", b"one")
        with pytest.raises(AlreadyExists):
            await create(table, "k", b"two")
        assert await other.read("k") == first

    async def test_an_update_replaces_everything_but_the_lease(self, table: Table, other: Table) -> None:
        """An update replaces body and expiry, raises the version by one and keeps the lease."""
        seen = await create(table, "k", b"one", Hold("a", NOW + 9))
        at = At(seen.version, seen.fence)
        row = await table.write("k", b"two", expected=at, lease=Keep(), expires_at=NOW + 7)
        assert row == Row("k", b"two", version=2, fence=1, owner="a", until=NOW + 9, expires_at=NOW + 7)
        assert await other.read("k") == row

    @pytest.mark.parametrize(("version", "fence"), [(1, 1), (3, 1), (2, 0), (2, 2)])
    async def test_another_version_or_fence_is_refused(
        self, table: Table, other: Table, version: int, fence: int
    ) -> None:
        """A write or a delete that believes in another version or another fence changes nothing."""
        row = await update(other, await create(other, "k", b"", Hold("a", NOW)), b"two")
        with pytest.raises(VersionConflict):
            await table.write("k", b"x", expected=At(version, fence), lease=Keep(), expires_at=None)
        with pytest.raises(VersionConflict):
            await table.delete("k", expected=At(version, fence))
        assert await other.read("k") == row

    async def test_a_missing_record_is_at_no_version(self, table: Table) -> None:
        """Updating or deleting a record that is not there is a version conflict and creates nothing."""
        with pytest.raises(VersionConflict):
            await table.write("k", b"x", expected=At(1, 0), lease=Keep(), expires_at=None)
        with pytest.raises(VersionConflict):
            await table.delete("k", expected=At(1, 0))
        assert await table.read("k") is None

    async def test_a_deleted_record_can_be_created_again(self, table: Table, other: Table) -> None:
        """After a delete the record is gone for every handle, and a new one starts at version 1."""
        seen = await create(table, "k", b"one")
        await table.delete("k", expected=At(seen.version, seen.fence))
        assert await other.read("k") is None
        assert (await create(other, "k", b"two")).version == 1

    async def test_a_new_record_begins_at_the_fence_it_is_given(self, table: Table, other: Table) -> None:
        """A creator names the fence; held at once it is one higher, and acquired later it rises from there."""
        row = await table.write("k", b"", expected=Absent(fence=1 << 52), lease=Keep(), expires_at=None)
        assert (row.version, row.fence) == (1, 1 << 52)
        assert await other.read("k") == row
        held = await table.write("h", b"", expected=Absent(fence=6), lease=Hold("a", NOW), expires_at=None)
        taken = await take(other, "h", "b")
        assert taken is not None
        assert (held.fence, taken.fence) == (7, 8)

    async def test_a_late_delete_leaves_a_record_made_anew_alone(self, table: Table, other: Table) -> None:
        """A delete for a record that has gone misses its successor of the same version, made under another fence."""
        first = await table.write("k", b"one", expected=Absent(fence=11), lease=Keep(), expires_at=None)
        at = At(first.version, first.fence)
        await table.delete("k", expected=at)
        second = await table.write("k", b"two", expected=Absent(fence=12), lease=Keep(), expires_at=None)
        with pytest.raises(VersionConflict):
            await other.delete("k", expected=at)
        assert await table.read("k") == second

    async def test_one_of_32_creators_wins(self, table: Table, other: Table) -> None:
        """Of 32 concurrent creators on two handles one succeeds, and what it wrote stays."""
        tries = [create((table, other)[n % 2], "k", b"%d" % n) for n in range(32)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        rows = [result for result in results if isinstance(result, Row)]
        assert len(rows) == 1
        assert sum(isinstance(result, AlreadyExists) for result in results) == 31
        assert await table.read("k") == rows[0]

    async def test_no_increment_is_lost(self, table: Table, other: Table) -> None:
        """160 increments by eight concurrent writers on two handles add up to 160."""
        await create(table, "n", b"0")
        await asyncio.gather(*(_increment((table, other)[n % 2], "n", 20) for n in range(8)))
        row = await other.read("n")
        assert row is not None
        assert (row.body, row.version) == (b"160", 161)


async def _increment(table: Table, key: str, times: int) -> None:
    while times:
        seen = await table.read(key)
        assert seen is not None
        try:
            await update(table, seen, b"%d" % (int(seen.body) + 1))
            times -= 1
        except VersionConflict:
            await asyncio.sleep(0)


class ListingInOrder(TableContract):
    """A scan shows every record under the prefix once, in the order of code points."""

    async def test_records_are_listed_in_order_of_code_points(self, table: Table, other: Table) -> None:
        """The listing is sorted as Python sorts strings, whatever the order of writing."""
        keys = ["b", "a/b", "a-b", "a", "A", "a%", "\u00e9", "z", "\U0001f600", "\uffff", "a\x00b"]
        for key in keys:
            await create(other, key, key.encode())
        rows = await table.scan("")
        assert [row.key for row in rows] == sorted(keys)
        assert rows[0] == await other.read(min(keys))

    async def test_a_prefix_is_taken_literally(self, table: Table) -> None:
        """Wildcards of query languages, case and neighbours in the order do not widen a prefix."""
        for key in ("a_b", "axb", "a%b", "A_b", "a_", "a`", "b"):
            await create(table, key)
        assert [row.key for row in await table.scan("a_")] == ["a_", "a_b"]
        assert [row.key for row in await table.scan("a%")] == ["a%b"]
        assert await table.scan("nothing") == []

    async def test_pages_join_to_the_whole(self, table: Table) -> None:
        """Reading on after the last key of each page visits every record once, in order."""
        keys = [f"p/{n:03}" for n in range(23)]
        for key in ["o/9", *reversed(keys), "q/0"]:
            await create(table, key)
        seen: list[str] = []
        while page := await table.scan("p/", after=seen[-1] if seen else "", limit=5):
            assert len(page) <= 5
            seen += [row.key for row in page]
        assert seen == keys

    async def test_after_is_exclusive_and_need_not_exist(self, table: Table) -> None:
        """`after` starts behind that key, whether there is such a record or not."""
        for key in ("k1", "k2", "k4"):
            await create(table, key)
        assert [row.key for row in await table.scan("k", after="k2")] == ["k4"]
        assert [row.key for row in await table.scan("k", after="k3")] == ["k4"]
        assert await table.scan("k", after="z") == []
        assert [row.key for row in await table.scan("k", after="a")] == ["k1", "k2", "k4"]

    async def test_a_page_holds_at_least_one_record(self, table: Table) -> None:
        """A limit below one is refused and named."""
        with pytest.raises(Invalid, match="limit"):
            await table.scan("", limit=0)


class Isolation(TableContract):
    """Records do not touch each other, nor does the caller's memory touch them."""

    async def test_neighbours_are_left_alone(self, table: Table, other: Table) -> None:
        """Writing, leasing and deleting one record leaves records with similar keys as they were."""
        near = [await create(other, key, b"mine") for key in ("t/k", "T/K", "t/k ", "t/k/", "t/", "u/k")]
        await create(table, "t/kk")
        row = await take(table, "t/kk", "a")
        assert row is not None
        row = await update(table, row, b"x")
        await table.delete("t/kk", expected=At(row.version, row.fence))
        assert [await other.read(seen.key) for seen in near] == near

    async def test_a_record_past_its_expiry_is_still_returned(self, table: Table) -> None:
        """The table keeps a record whose time is over: it is the reader who checks."""
        row = await table.write("k", b"", expected=Absent(), lease=Keep(), expires_at=1.0)
        assert await table.read("k") == row
        assert await table.scan("k") == [row]


class Durability(TableContract):
    """What was acknowledged is there after everything is closed and opened again."""

    async def test_a_record_survives_reopening(self, table: Table, tmp_path: Path) -> None:
        """A record with its lease and expiry is the same through a handle opened after all others closed."""
        await create(table, "k", b"one", Hold("a", NOW + 0.125))
        row = await take(table, "k", "a")
        await table.close()
        again = await self.connect(tmp_path)
        assert await again.read("k") == row
        await again.close()

    async def test_a_delete_survives_reopening(self, table: Table, tmp_path: Path) -> None:
        """A deleted record is not back after closing and opening."""
        row = await create(table, "k")
        await table.delete("k", expected=At(row.version, row.fence))
        await table.close()
        again = await self.connect(tmp_path)
        assert await again.read("k") is None
        await again.close()


ODD_KEYS = [
    "a\x00b",
    "\x00",
    " ",
    "'; DROP TABLE records; --",
    "a/../b",
    "\u00e9",
    "e\u0301",
    "\U0001f600",
    "k" * 1024,
]
ODD_BODIES = [b"", b"\x00", b"\xff\xfe\x00\x80", b"'\"\\\n\r", bytes(range(256)) * 16, b"\xed\xa0\x80"]


class OddBytes(TableContract):
    """Every allowed key and body comes back exactly; what is not allowed is refused before anything is written."""

    @pytest.mark.parametrize("key", ODD_KEYS, ids=ascii)
    async def test_odd_keys_come_back(self, table: Table, other: Table, key: str) -> None:
        """Any non-empty text of at most 1,024 bytes is a key: to write, read, list, lease and delete."""
        await create(table, key, b"body")
        row = await take(table, key, "a")
        assert row is not None
        assert await other.read(key) == row
        assert await other.scan(key) == [row]
        await table.delete(key, expected=At(row.version, row.fence))
        assert await other.scan("") == []

    @pytest.mark.parametrize("body", ODD_BODIES, ids=lambda body: f"{len(body)}-bytes")
    async def test_odd_bodies_come_back(self, table: Table, other: Table, body: bytes) -> None:
        """A body comes back as the same bytes from create, update and read."""
        row = await create(table, "k", body)
        assert row.body == body
        assert (await update(table, row, body)).body == body
        read = await other.read("k")
        assert read is not None
        assert read.body == body
        assert isinstance(read.body, bytes)

    @needs("whole bodies")
    async def test_the_largest_body_is_stored_and_one_byte_more_is_not(self, table: Table) -> None:
        """A body of 256 KB is stored exactly; one byte more is `TooLarge` and changes nothing."""
        row = await create(table, "k", bytes(255 for _ in range(LIMIT)))
        with pytest.raises(TooLarge):
            await update(table, row, b"x" * (LIMIT + 1))
        with pytest.raises(TooLarge):
            await create(table, "new", b"x" * (LIMIT + 1))
        assert await table.scan("") == [row]

    @pytest.mark.parametrize("key", ["", "k" * 1025, "\u00e9" * 513, "\ud800"], ids=ascii)
    async def test_what_is_no_key_is_refused(self, table: Table, key: str) -> None:
        """An empty, overlong or broken key is `Invalid` wherever a record is named."""
        for name in ("read", "write", "acquire", "delete"):
            with pytest.raises(Invalid, match="key"):
                await CALLS[name](table, key)
        assert await table.scan("") == []

    async def test_a_lease_has_an_owner_with_a_name(self, table: Table) -> None:
        """An empty owner, too easily taken for nobody, is `Invalid` and takes no lease."""
        row = await create(table, "k")
        with pytest.raises(Invalid, match="owner"):
            await take(table, "k", "")
        with pytest.raises(Invalid, match="owner"):
            await update(table, row, b"", Hold("", NOW))
        assert await table.read("k") == row


class Failure(TableContract):
    """An outage is an error, never an answer."""

    @pytest.mark.parametrize("name", CALLS)
    async def test_a_broken_backend_is_unavailable_on_every_method(self, table: Table, name: str) -> None:
        """Each call on a broken backend raises `Unavailable` with the vendor's own error inside."""
        await self.sever(table)
        with pytest.raises(Unavailable) as caught:
            await CALLS[name](table, "k")
        assert caught.value.original is not None

    async def test_every_method_is_in_the_outage(self) -> None:
        """The list of calls tried in an outage names every method of the protocol but `close`."""
        assert set(CALLS) == {name for name in vars(Table) if not name.startswith("_")} - {"close"}

    async def test_ping_answers_while_the_backend_works(self, table: Table) -> None:
        """`ping` returns on a table that serves."""
        await table.ping()

    async def test_closing_twice_is_fine(self, table: Table, other: Table) -> None:
        """A second `close` does nothing, and other handles go on working."""
        await table.close()
        await table.close()
        assert (await create(other, "k")).version == 1

    async def test_conflicts_are_told_apart(self, table: Table) -> None:
        """`AlreadyExists` and `VersionConflict` are both conflicts and neither is the other."""
        await create(table, "k")
        with pytest.raises(Conflict) as exists:
            await create(table, "k")
        with pytest.raises(Conflict) as moved:
            await table.delete("k", expected=At(9, 9))
        assert (type(exists.value), type(moved.value)) == (AlreadyExists, VersionConflict)


class TableSuite(CompareAndSet, LeaseAndFence, ListingInOrder, Isolation, Durability, OddBytes, Failure):
    """All that a `Table` promises."""
