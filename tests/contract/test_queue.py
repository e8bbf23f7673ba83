"""Every queue keeps the contract, and so do the wrappers around one."""

from __future__ import annotations

from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from outlive.aws.client import new_session
from outlive.aws.queue import SqsQueue
from outlive.encryption.queue import EncryptedQueue
from outlive.memory.queue import MemoryQueue
from outlive.memory.server import MemoryServer
from outlive.postgres.queue import PostgresQueue
from outlive.protocols import Clock, Queue
from outlive.sqlite.queue import SqliteQueue
from outlive.testing.counting import Counts, counting
from outlive.testing.faults import Plan, faulty
from outlive.testing.queue import QueueSuite
from tests.encryption.places import Vault
from tests.servers import PostgresPlace, create_queue, local_aws


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


class TestEncryptedQueue(TestMemoryQueue):
    """Sealed."""

    async def connect(self, place: Path, clock: Clock) -> Queue:
        if not hasattr(self, "vault"):
            self.vault = Vault(place)
        return EncryptedQueue(MemoryQueue(self.server, clock=clock), self.vault.ring())


class TestPostgresQueue(QueueSuite):
    """In a PostgreSQL database; the second handle has connections of its own, as another host would."""

    async def connect(self, place: Path, clock: Clock) -> Queue:
        self.place = PostgresPlace(place)
        return await PostgresQueue.open(self.place.url, clock=clock, wait_seconds=2)

    async def sever(self, queue: Queue) -> None:
        self.place.lock_out()


SQS_LACKS = {
    "a clock of its caller's": "SQS counts time itself; tests/aws/test_queue.py waits for it in seconds",
    "telling repeats": "SQS answers a repeat as it answers a first send",
    "taking back a receive": "SQS counts every receive; a message that would die of it is sent anew instead",
}


class TestSqsQueue(QueueSuite):
    """On SQS as a local AWS offers it; the second handle is another client."""

    lacks = SQS_LACKS
    can_look = False
    dedupe_window = 300.0

    @pytest.fixture(autouse=True)
    def credentials(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What any AWS program finds; the local one takes them all."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    async def connect(self, place: Path, clock: Clock) -> Queue:
        self.name = "q" + blake2b(str(place).encode(), digest_size=8).hexdigest() + ".fifo"
        async with self._client() as client:
            await create_queue(client, self.name, max_receives=self.max_receives)
        return await SqsQueue.open(f"sqs://{self.name}?region=eu-central-1&endpoint={local_aws()}", clock=clock)

    async def sever(self, queue: Queue) -> None:
        async with self._client() as client:
            found = await client.get_queue_url(QueueName=self.name)
            await client.delete_queue(QueueUrl=found["QueueUrl"])

    def _client(self) -> Any:
        return new_session().create_client("sqs", region_name="eu-central-1", endpoint_url=local_aws())
