"""What is counted of the calls that go through."""

from __future__ import annotations

import pytest

from outlive.errors import AlreadyExists, VersionConflict
from outlive.memory.objects import MemoryObjects
from outlive.memory.queue import MemoryQueue
from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.protocols import Absent, At, Hold, Keep, Message, Objects, Queue, Table
from outlive.testing.clock import ManualClock
from outlive.testing.counting import RECORD_OVERHEAD, UNIT_BYTES, Counts, counting
from outlive.testing.faults import CrashAfter, Plan, at, faulty


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def table(counts: Counts) -> Table:
    return counting(MemoryTable(), counts, "table")


@pytest.fixture
def objects(counts: Counts) -> Objects:
    return counting(MemoryObjects(clock=ManualClock()), counts, "objects")


async def create(table: Table, key: str, body: bytes) -> None:
    await table.write(key, body, expected=Absent(), lease=Keep(), expires_at=None)


async def test_conditional_writes_are_counted_together(table: Table, counts: Counts) -> None:
    """Write, acquire and delete are table writes; read and scan are table reads."""
    await create(table, "k", b"")
    await table.acquire("k", "a", now=0, until=1)
    await table.read("k")
    await table.scan("")
    await table.delete("k", expected=At(2, 1))
    assert (counts.table_writes, counts.table_reads) == (3, 2)


async def test_a_refused_write_counts(table: Table, counts: Counts) -> None:
    """A conditional write that is refused has been a request, and has cost its units."""
    await create(table, "k", b"x" * 2000)
    with pytest.raises(AlreadyExists):
        await create(table, "k", b"x" * 2000)
    with pytest.raises(VersionConflict):
        await table.delete("k", expected=At(9, 9))
    assert (counts.table_writes, counts.table_write_units) == (3, 3 + 3 + 1)


@pytest.mark.parametrize(("size", "units"), [(0, 1), (UNIT_BYTES - RECORD_OVERHEAD - 1, 1), (UNIT_BYTES, 2), (4000, 5)])
async def test_units_go_by_the_whole_record(table: Table, counts: Counts, size: int, units: int) -> None:
    """Each write costs a unit per kilobyte of the record, taking the lease of a large one included."""
    await create(table, "k", b"x" * size)
    await table.acquire("k", "a", now=0, until=1)
    assert counts.table_write_units == 2 * units


async def test_bytes_are_counted_both_ways(objects: Objects, counts: Counts) -> None:
    """Puts weigh what is sent, gets what comes back, and a listing weighs nothing."""
    await objects.put("k", b"x" * 1000)
    await objects.get("k")
    await objects.get("k")
    await objects.list("")
    assert (counts.objects_put, counts.objects_put_bytes) == (1, 1000)
    assert (counts.objects_get, counts.objects_get_bytes) == (2, 2000)
    assert counts.calls["objects.list"] == 1


async def test_bytes_inside_messages_and_pages_are_counted(counts: Counts) -> None:
    """A message weighs its body when it is sent and when it is received, a page of rows its bodies."""
    queue: Queue = counting(MemoryQueue(clock=ManualClock()), counts, "queue")
    await queue.send(Message("g", "1", b"x" * 10))
    await queue.receive(visibility=1, wait=0)
    assert (counts.queue_sends, counts.sent["queue.send"], counts.received["queue.receive"]) == (1, 10, 10)
    server = MemoryServer()
    for key in "ab":
        await create(MemoryTable(server), key, b"y" * 5)
    await counting(MemoryTable(server), counts, "table").scan("")
    assert counts.received["table.scan"] == 10


async def test_a_copy_marks_where_a_turn_began(objects: Objects, counts: Counts) -> None:
    """Counts minus an earlier copy are what was added since, and the copy does not move."""
    await objects.put("a", b"xx")
    before = counts.copy()
    await objects.put("b", b"yyy")
    added = counts - before
    assert (added.objects_put, added.objects_put_bytes) == (1, 3)
    assert (before.objects_put, counts.objects_put) == (1, 2)


async def test_counting_outside_a_plan_counts_what_was_asked(counts: Counts) -> None:
    """Wrappers nest: a call that crashes below is counted above, and what holds the lease is really there."""
    server, plan = MemoryServer(), Plan(at(2, CrashAfter()))
    table = counting(faulty(MemoryTable(server), plan, "table"), counts, "table")
    await create(table, "k", b"")
    with pytest.raises(BaseException, match="died"):
        await table.write("k", b"", expected=At(1, 0), lease=Hold("a", 1), expires_at=None)
    assert counts.table_writes == 2
    assert server.rows["k"].owner == "a"
