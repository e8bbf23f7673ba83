"""Every table keeps the contract, and so do the wrappers around one."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

import pytest

from outlive.aws.client import new_session
from outlive.aws.table import DynamoTable
from outlive.encryption.table import EncryptedTable
from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.postgres.table import PostgresTable
from outlive.protocols import Table
from outlive.sqlite.table import SqliteTable
from outlive.testing.counting import Counts, counting
from outlive.testing.faults import Plan, faulty
from outlive.testing.table import TableSuite
from tests.encryption.places import Vault
from tests.servers import PostgresPlace, local_aws


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


class TestEncryptedTable(TestMemoryTable):
    """Sealed; each handle has the keys by itself, as another worker would."""

    lacks: ClassVar = {"whole bodies": "the key's name, the nonce and the tag of a sealed record take 40 of its bytes"}

    async def connect(self, place: Path) -> Table:
        if not hasattr(self, "vault"):
            self.vault = Vault(place.parent / "keys")
        return EncryptedTable(MemoryTable(self.server), self.vault.ring())


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
        return await PostgresTable.open(self.place.url, wait_seconds=2)

    async def sever(self, table: Table) -> None:
        self.place.lock_out()


class TestDynamoTable(TableSuite):
    """On DynamoDB as a local AWS offers it; the second handle is another client."""

    @pytest.fixture(autouse=True)
    def credentials(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What any AWS program finds; the local one takes them all."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    async def connect(self, place: Path) -> Table:
        self.name = "t" + blake2b(str(place).encode(), digest_size=8).hexdigest()
        await self._create()
        return await DynamoTable.open(f"dynamodb://{self.name}?region=eu-central-1&endpoint={local_aws()}")

    async def sever(self, table: Table) -> None:
        async with self._client() as client:
            await client.delete_table(TableName=self.name)

    def _client(self) -> Any:
        return new_session().create_client("dynamodb", region_name="eu-central-1", endpoint_url=local_aws())

    async def _create(self) -> None:
        async with self._client() as client:
            with suppress(client.exceptions.ResourceInUseException):
                await client.create_table(
                    TableName=self.name,
                    KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                    AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
                    BillingMode="PAY_PER_REQUEST",
                )
