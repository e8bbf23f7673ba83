"""Every table keeps the contract, and so do the wrappers around one."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.postgres.table import PostgresTable
from outlive.protocols import Table
from outlive.sqlite.table import SqliteTable
from outlive.testing.counting import Counts, counting
from outlive.testing.faults import Plan, faulty
from outlive.testing.table import TableSuite
from tests.servers import PostgresPlace


class TestMemoryTable(TableSuite):
    """In memory."""

    @cached_property
    def server(self) -> MemoryServer:
        """What all handles of one test share."""
        return MemoryServer()

    async def connect(self, place: Path) -> Table:
        return MemoryTable(self.server)

    async def sever(self, table: Table) -> None:
        self.server.failure = ConnectionResetError("down")


class TestFaultyTable(TestMemoryTable):
    """Under a plan without faults."""

    async def connect(self, place: Path) -> Table:
        return faulty(MemoryTable(self.server), Plan(), "table")


class TestCountingTable(TestMemoryTable):
    """Counted."""

    async def connect(self, place: Path) -> Table:
        return counting(MemoryTable(self.server), Counts(), "table")


class TestSqliteTable(TableSuite):
    """In a SQLite file; the second handle has a connection of its own, as another process would."""

    async def connect(self, place: Path) -> Table:
        self.file = place / "data" / "outlive.db"
        return await SqliteTable.open(self.file)

    async def sever(self, table: Table) -> None:
        self.file.rename(self.file.with_suffix(".elsewhere"))


class TestPostgresTable(TableSuite):
    """In a PostgreSQL database; the second handle has connections of its own, as another host would."""

    async def connect(self, place: Path) -> Table:
        self.place = PostgresPlace(place)
        return await PostgresTable.open(self.place.url, wait_seconds=0.5)

    async def sever(self, table: Table) -> None:
        self.place.lock_out()
