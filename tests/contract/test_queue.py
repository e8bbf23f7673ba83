"""Every queue keeps the contract, and so do the wrappers around one."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from outlive.memory.queue import MemoryQueue
from outlive.memory.server import MemoryServer
from outlive.postgres.queue import PostgresQueue
from outlive.protocols import Clock, Queue
from outlive.sqlite.queue import SqliteQueue
from outlive.testing.counting import Counts, counting
from outlive.testing.faults import Plan, faulty
from outlive.testing.queue import QueueSuite
from tests.servers import PostgresPlace


class TestMemoryQueue(QueueSuite):
    """In memory."""

    @cached_property
    def server(self) -> MemoryServer:
        """What all handles of one test share."""
        return MemoryServer()

    async def connect(self, place: Path, clock: Clock) -> Queue:
        return MemoryQueue(self.server, clock=clock)

    async def sever(self, queue: Queue) -> None:
        self.server.failure = ConnectionResetError("down")


class TestFaultyQueue(TestMemoryQueue):
    """Under a plan without faults."""

    async def connect(self, place: Path, clock: Clock) -> Queue:
        return faulty(MemoryQueue(self.server, clock=clock), Plan(), "queue")


class TestCountingQueue(TestMemoryQueue):
    """Counted."""

    async def connect(self, place: Path, clock: Clock) -> Queue:
        return counting(MemoryQueue(self.server, clock=clock), Counts(), "queue")


class TestSqliteQueue(QueueSuite):
    """In a SQLite file; the second handle has a connection of its own, as another process would."""

    async def connect(self, place: Path, clock: Clock) -> Queue:
        self.file = place / "data" / "outlive.db"
        return await SqliteQueue.open(self.file, clock=clock)

    async def sever(self, queue: Queue) -> None:
        self.file.rename(self.file.with_suffix(".elsewhere"))


class TestPostgresQueue(QueueSuite):
    """In a PostgreSQL database; the second handle has connections of its own, as another host would."""

    async def connect(self, place: Path, clock: Clock) -> Queue:
        self.place = PostgresPlace(place)
        return await PostgresQueue.open(self.place.url, clock=clock, wait_seconds=2)

    async def sever(self, queue: Queue) -> None:
        self.place.lock_out()
