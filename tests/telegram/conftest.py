"""A fake Telegram and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from outlive.channels.telegram.client import BotClient
from outlive.testing.clock import ManualClock
from outlive.testing.telegram import FakeTelegram


@pytest.fixture
def clock() -> ManualClock:
    """The time of bot and fake alike."""
    return ManualClock()


@pytest.fixture
async def telegram(clock: ManualClock) -> AsyncIterator[FakeTelegram]:
    """A fake Telegram where Ada has started the bot, and a forum is."""
    async with FakeTelegram(now=clock.now) as fake:
        fake.world.person(42, "Ada")
        fake.world.group(-1001, "Forum", topics=(5,))
        yield fake


@pytest.fixture
async def bot(telegram: FakeTelegram, clock: ManualClock) -> AsyncIterator[BotClient]:
    """The bot's client."""
    client = BotClient(telegram.token, clock, base_url=telegram.url)
    yield client
    await client.close()
