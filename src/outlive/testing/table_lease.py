"""The contract of a table's leases and fences."""

from __future__ import annotations

import asyncio

import pytest

from outlive.errors import Invalid, NotFound, VersionConflict
from outlive.protocols import At, Free, Hold, Keep, Raise, Row, Table
from outlive.testing.table_contract import HOUR, NOW, TableContract, create, take, update


class LeaseAndFence(TableContract):
    """One holds the lease; each new holder has a higher fence; whoever lost it cannot write."""

    async def test_a_free_lease_is_taken(self, table: Table, other: Table) -> None:
        """Acquiring a free lease returns the whole record with fence and version one higher."""
        made = await create(other, "k", b"body")
        row = await take(table, "k", "a")
        fence = made.fence + 1
        assert row == Row("k", b"body", version=2, fence=fence, owner="a", until=NOW + HOUR, expires_at=None)
        assert await other.read("k") == row

    async def test_a_held_lease_is_not_taken(self, table: Table, other: Table) -> None:
        """While one owner holds the lease another gets None, and the record stays as it was."""
        held = await create(other, "k", b"", Hold("a", NOW + HOUR))
        assert await take(table, "k", "b") is None
        assert await other.read("k") == held

    async def test_an_owner_takes_its_own_lease_again(self, table: Table) -> None:
        """The owner of a running lease may acquire it again and gets a new fence."""
        await create(table, "k", b"", Hold("a", NOW + HOUR))
        row = await take(table, "k", "a")
        assert row is not None
        assert (row.fence, row.version) == (2, 2)

    async def test_a_lease_ends_at_its_very_second(self, table: Table) -> None:
        """A lease until T is held just before T and free at T."""
        await create(table, "k", b"", Hold("a", NOW))
        assert await take(table, "k", "b", now=NOW - 0.001) is None
        assert await take(table, "k", "b", now=NOW) is not None

    async def test_a_lease_needs_a_record(self, table: Table) -> None:
        """Acquiring the lease of a record that is not there is `NotFound`."""
        with pytest.raises(NotFound):
            await take(table, "nobody", "a")

    async def test_a_record_is_created_held(self, table: Table) -> None:
        """`Hold` on create takes the lease with fence 1 in the same write."""
        row = await create(table, "k", b"", Hold("a", NOW + 1))
        assert (row.version, row.fence, row.owner, row.until) == (1, 1, "a", NOW + 1)

    async def test_a_fence_is_raised_in_the_write_and_fences_its_holder(self, table: Table, other: Table) -> None:
        """`Raise` sets the fence in the write; what the old holder believes is refused, and the next is higher."""
        seen = await create(table, "k", b"", Hold("a", NOW + HOUR))
        row = await update(other, seen, b"x", Raise(5 << 32, "copy", NOW + HOUR))
        assert (row.version, row.fence, row.owner, row.until) == (2, 5 << 32, "copy", NOW + HOUR)
        assert await take(table, "k", "a") is None
        with pytest.raises(VersionConflict):
            await update(table, seen, b"y")
        freed = await update(table, row, b"x", Raise(5 << 32))
        taken = await take(table, "k", "b")
        assert freed.owner is None
        assert taken is not None
        assert taken.fence == (5 << 32) + 1

    async def test_a_record_is_created_under_a_fence(self, table: Table, other: Table) -> None:
        """`Raise` on create gives the record its fence, owner and expiry."""
        row = await create(table, "k", b"", Raise(3 << 32, "copy", NOW + 1))
        assert (row.version, row.fence, row.owner, row.until) == (1, 3 << 32, "copy", NOW + 1)
        assert await other.read("k") == row

    async def test_a_fence_cannot_fall(self, table: Table) -> None:
        """`Raise` below the fence that is named is refused, and nothing is written."""
        row = await create(table, "k", b"", Raise(9))
        with pytest.raises(Invalid):
            await update(table, row, b"x", Raise(8))
        assert await table.read("k") == row

    async def test_a_lease_is_prolonged_under_the_same_fence(self, table: Table, other: Table) -> None:
        """`Hold` on update moves the expiry and keeps the fence."""
        seen = await create(table, "k", b"", Hold("a", NOW + 1))
        row = await update(table, seen, b"", Hold("a", NOW + 2))
        assert (row.version, row.fence, row.owner, row.until) == (2, 1, "a", NOW + 2)
        assert await other.read("k") == row

    async def test_a_lease_is_given_back_in_the_write_and_the_fence_stays(self, table: Table) -> None:
        """`Free` clears owner and expiry and keeps the fence, so the next holder's fence is higher."""
        freed = await update(table, await create(table, "k", b"", Hold("a", NOW + HOUR)), b"", Free())
        assert (freed.fence, freed.owner, freed.until) == (1, None, 0.0)
        row = await take(table, "k", "b")
        assert row is not None
        assert row.fence == 2

    async def test_who_lost_the_lease_cannot_write(self, table: Table, other: Table) -> None:
        """After the lease has passed on, the old holder's commit, renewal and delete are all refused."""
        seen = await create(table, "k", b"", Hold("a", NOW))
        taken = await take(other, "k", "b", now=NOW + 1)
        for lease in (Keep(), Hold("a", NOW + HOUR), Free()):
            with pytest.raises(VersionConflict):
                await update(table, seen, b"late", lease)
        with pytest.raises(VersionConflict):
            await table.delete("k", expected=At(seen.version, seen.fence))
        assert await other.read("k") == taken

    async def test_a_fast_clock_takes_a_lease_early_and_the_slow_worker_cannot_write(
        self, table: Table, other: Table
    ) -> None:
        """A worker whose clock is an hour ahead may take a running lease; the first one's write is then refused."""
        made = await create(table, "k")
        slow = await table.acquire("k", "a", now=NOW, until=NOW + 60)
        fast = await other.acquire("k", "b", now=NOW + HOUR, until=NOW + HOUR + 60)
        assert slow is not None and fast is not None
        with pytest.raises(VersionConflict):
            await update(table, slow, b"a")
        assert (await update(other, fast, b"b")).fence == fast.fence == made.fence + 2

    async def test_one_of_16_acquirers_wins(self, table: Table, other: Table) -> None:
        """Of 16 concurrent acquirers on two handles one gets the lease."""
        await create(table, "k")
        results = await asyncio.gather(*(take((table, other)[n % 2], "k", f"w{n}") for n in range(16)))
        (won,) = [row for row in results if row is not None]
        assert await other.read("k") == won

    async def test_fences_strictly_increase(self, table: Table, other: Table) -> None:
        """However leases end, each next holder's fence is higher than every one before."""
        row = await create(table, "k", b"", Hold("w0", NOW))
        fences = [row.fence]
        for n in range(1, 16):
            if n % 3 == 0:
                await update(table, row, b"", Free())
            taken = await take((table, other)[n % 2], "k", f"w{n}", now=NOW + 2 * HOUR * n)
            assert taken is not None
            row = taken
            fences.append(row.fence)
        assert fences == sorted(set(fences))
