"""What the queue in a SQLite file does that no suite asks of every queue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from outlive.protocols import Message
from outlive.sqlite.database import Database
from outlive.sqlite.queue import DAY, SqliteQueue
from outlive.testing.clock import ManualClock


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "outlive.db")
    yield database
    await database.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def remembered(database: Database) -> int:
    (count,) = await database.read(lambda connection: connection.execute("SELECT COUNT(*) FROM sent").fetchone())
    return int(count)


async def test_old_ids_are_forgotten(database: Database, clock: ManualClock) -> None:
    """Ids older than the window do not pile up: later sends remove them."""
    queue = SqliteQueue(database, clock=clock)
    for n in range(20):
        await queue.send(Message("g", str(n), b""))
    clock.advance(DAY)
    await queue.send(Message("g", "new", b""))
    assert await remembered(database) == 1


async def test_an_old_id_is_new_before_it_is_forgotten(database: Database, clock: ManualClock) -> None:
    """With more old ids than one send removes, each of them can be sent again all the same."""
    queue = SqliteQueue(database, clock=clock)
    for n in range(120):
        await queue.send(Message("g", f"{n:03}", b""))
        clock.advance(1)
    clock.advance(DAY)
    assert await queue.send(Message("g", "119", b""))
    assert not await queue.send(Message("g", "119", b""))
    assert await remembered(database) == 1


@pytest.mark.parametrize("max_receives", [1, 5])
async def test_the_number_of_receives_can_be_set(database: Database, clock: ManualClock, max_receives: int) -> None:
    """A message dies after as many receives as the queue was opened with."""
    queue = SqliteQueue(database, clock=clock, max_receives=max_receives)
    await queue.send(Message("g", "1", b""))
    for _ in range(max_receives):
        assert await queue.receive(visibility=30, wait=0) is not None
        clock.advance(30)
    assert await queue.receive(visibility=30, wait=0) is None
    assert [letter.receives for letter in await queue.dead_letters()] == [max_receives]


async def test_an_empty_queue_is_not_written_to(database: Database, clock: ManualClock) -> None:
    """Waiting for work changes no byte, so that idle workers cost no flush and block nobody."""
    queue = SqliteQueue(database, clock=clock)
    log = database.path.with_name("outlive.db-wal")
    before = log.read_bytes()
    assert await queue.receive(visibility=30, wait=5) is None
    assert log.read_bytes() == before
