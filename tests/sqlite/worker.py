"""A worker process of the tests: does one job on a SQLite file and prints what it did, a line each."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from pathlib import Path

from outlive.errors import AlreadyExists, VersionConflict
from outlive.protocols import Absent, At, Keep
from outlive.sqlite.database import Database
from outlive.sqlite.queue import SqliteQueue
from outlive.sqlite.table import SqliteTable


class RealClock:
    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def increment(database: Database) -> None:
    """Add one to a record 25 times by compare-and-set."""
    table, left = SqliteTable(database), 25
    while left:
        seen = await table.read("n")
        expected = At(seen.version, seen.fence) if seen else Absent()
        body = b"%d" % (int(seen.body) + 1 if seen else 1)
        try:
            await table.write("n", body, expected=expected, lease=Keep(), expires_at=None)
            left -= 1
        except (VersionConflict, AlreadyExists):
            continue


async def acquire(database: Database) -> None:
    """Try once for the lease; print the fence when it was won."""
    table = SqliteTable(database)
    with suppress(AlreadyExists):
        await table.write("k", b"", expected=Absent(), lease=Keep(), expires_at=None)
    row = await table.acquire("k", sys.argv[3], now=0.0, until=1.0)
    if row:
        print(row.fence)


async def consume(database: Database) -> None:
    """Receive and acknowledge until the queue is empty; print the messages."""
    queue = SqliteQueue(database, clock=RealClock())
    while (await queue.depth()).waiting:
        if delivery := await queue.receive(visibility=60, wait=0):
            print(delivery.message.group, delivery.message.dedupe_id)
            await asyncio.sleep(0.002)
            await queue.ack(delivery)


async def write(database: Database) -> None:
    """Create records without end; print each key once it is acknowledged."""
    table, n = SqliteTable(database), 0
    while True:
        await table.write(f"k{n}", b"x" * 3000, expected=Absent(), lease=Keep(), expires_at=None)
        print(f"k{n}", flush=True)
        n += 1


async def main() -> None:
    database = await Database.open(Path(sys.argv[1]))
    await {"increment": increment, "acquire": acquire, "consume": consume, "write": write}[sys.argv[2]](database)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main())
