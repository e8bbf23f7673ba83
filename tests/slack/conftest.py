"""A fake Slack and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from outlive.channels.slack.channel import SlackChannel
from outlive.channels.slack.client import SlackClient
from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.testing.clock import ManualClock
from outlive.testing.slack import APP_TOKEN, TOKEN, FakeSlack


@pytest.fixture
def clock() -> ManualClock:
    """The time of app and fake alike."""
    return ManualClock()


@pytest.fixture
async def slack(clock: ManualClock) -> AsyncIterator[FakeSlack]:
    """A fake Slack where Ada has a private chat with the app, and a channel is that the app is in."""
    async with FakeSlack(now=clock.now) as fake:
        fake.world.private("U0ADA")
        fake.world.channel("C0GEN")
        yield fake


@pytest.fixture
async def client(slack: FakeSlack, clock: ManualClock) -> AsyncIterator[SlackClient]:
    """The app's client."""
    client = SlackClient(TOKEN, clock, app_token=APP_TOKEN, base_url=slack.url)
    yield client
    await client.close()


@pytest.fixture
def table(clock: ManualClock) -> MemoryTable:
    """Where receipts lie."""
    return MemoryTable(MemoryServer())


@pytest.fixture
async def channel(client: SlackClient, table: MemoryTable, clock: ManualClock) -> AsyncIterator[SlackChannel]:
    """The channel under test."""
    channel = SlackChannel(client, table, clock)
    channel.live.team = "T0TEAM"
    yield channel
    await channel.live.close()
