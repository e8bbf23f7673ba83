"""Families by URL: AWS's stores, and what they are not."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from outlive.aws.queue import SqsQueue
from outlive.aws.table import DynamoTable
from outlive.clock import SystemClock
from outlive.databases import Databases
from outlive.errors import Invalid


async def test_aws_stores_are_opened_by_url(stack: AsyncExitStack) -> None:
    """A table by `dynamodb://`, a queue by `sqs://` or by the address that AWS gives it."""
    databases = Databases(stack)
    assert isinstance(await databases.table("dynamodb://sessions"), DynamoTable)
    for url in ("sqs://turns.fifo", "https://sqs.us-east-1.amazonaws.com/123456789012/turns.fifo"):
        assert isinstance(await databases.queue(url, SystemClock()), SqsQueue)


async def test_a_table_is_no_queue(stack: AsyncExitStack) -> None:
    """A URL of the other kind is `Invalid` and says which to use."""
    databases = Databases(stack)
    with pytest.raises(Invalid, match="dynamodb://TABLE"):
        await databases.table("sqs://turns.fifo")
    with pytest.raises(Invalid, match="sqs://NAME"):
        await databases.queue("dynamodb://sessions", SystemClock())
    for url in ("https://example.org/turns", "dynamo://sessions"):
        with pytest.raises(Invalid):
            await databases.table(url)
