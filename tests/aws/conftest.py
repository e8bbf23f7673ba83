"""A local AWS for each test: credentials, clients, and queues of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from outlive.aws.client import new_session
from outlive.aws.queue import SqsQueue
from outlive.clock import SystemClock
from tests.servers import create_queue, local_aws

REGION = "us-east-1"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What any AWS program finds; the local one takes them all."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", REGION)


@pytest.fixture
def name(tmp_path: Path) -> str:
    """A name nobody else uses on the local AWS."""
    return "n" + blake2b(str(tmp_path).encode(), digest_size=8).hexdigest()


@pytest_asyncio.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Closes what a test opens."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest_asyncio.fixture
async def sqs(stack: AsyncExitStack) -> Any:
    """A plain SQS client, the back door."""
    client = new_session().create_client("sqs", region_name=REGION, endpoint_url=local_aws())
    return await stack.enter_async_context(client)


@pytest_asyncio.fixture
async def queue_address(sqs: Any, name: str) -> str:
    """The address, as SQS tells it, of a FIFO queue with dead letters."""
    return await create_queue(sqs, f"{name}.fifo")


@pytest_asyncio.fixture
async def queue(queue_address: str, stack: AsyncExitStack) -> SqsQueue:
    """That queue, by its address."""
    queue = await SqsQueue.open(queue_address, clock=SystemClock())
    stack.push_async_callback(queue.close)
    return queue
