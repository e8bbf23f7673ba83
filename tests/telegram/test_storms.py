"""A vendor that refuses or is away, through the whole engine: nothing lost, nothing twice, order kept, asked once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from outlive.channels.telegram.channel import TelegramChannel
from outlive.channels.telegram.client import BotClient
from outlive.core.keys import session_key
from outlive.core.messages import Inbound
from outlive.core.sessions import Pending
from outlive.errors import Unavailable
from outlive.flows.accept_message import accept_message
from outlive.flows.delivery.retry_outbox import dead_replies, retry_outboxes
from outlive.flows.engine import Engine
from outlive.flows.turn.find_session import find_head, find_session
from outlive.flows.work_queue import work_one
from outlive.testing.faults import Crash, CrashAfter, Plan, on
from outlive.testing.telegram import FakeTelegram, too_many
from tests.engine.conftest import World
from tests.engine.queued import receive, work

KEY = session_key("acme", "telegram", "42")
LONG = "\n\n".join(f"Paragraph {n} " + "word " * 150 for n in range(12))


@dataclass
class Ticking:
    """The world's time; who waits on it moves it."""

    world: World

    def now(self) -> float:
        return self.world.clock.now()

    async def sleep(self, seconds: float) -> None:
        self.world.clock.advance(seconds)


@dataclass
class Place:
    """A world whose channel is Telegram."""

    world: World
    telegram: FakeTelegram
    bot: BotClient

    def worker(self, name: str = "w1", plan: Plan | None = None) -> Engine:
        """A worker with a channel of its own."""
        engine = self.world.worker(name, plan)
        return replace(engine, channels={"telegram": TelegramChannel(self.bot, engine.table, Ticking(self.world))})

    async def post(self, *texts: str) -> None:
        """Ada's messages, each with an id of its own."""
        engine = self.worker()
        for number, text in enumerate(texts):
            inbound = Inbound(KEY, f"telegram:1:{number}", text, engine.clock.now(), "42")
            await accept_message(engine.queue, inbound, engine.clock)

    async def pass_by(self, seconds: float, step: float = 5.0) -> None:
        """Time, with the outbox looked at as a worker does."""
        for _ in range(int(seconds / step)):
            self.world.clock.advance(step)
            await retry_outboxes(self.worker())

    async def outbox(self) -> tuple[Pending, ...]:
        """What is still to be sent."""
        engine = self.worker()
        stores = engine.stores("acme")
        return (await find_head(engine, stores, await find_session(engine, stores, KEY))).outbox

    def words(self) -> str:
        """Everything that stands in the chat."""
        return " ".join(" ".join(self.telegram.texts()).split())


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """Telegram takes two messages at once, then one a second."""
    world = World(tmp_path)
    async with FakeTelegram(now=world.clock.now, burst=2) as telegram:
        telegram.world.person(42, "Ada")
        bot = BotClient(telegram.token, Ticking(world), base_url=telegram.url)
        yield Place(world, telegram, bot)
        await bot.close()


def expected(*texts: str) -> str:
    """What the instant agent makes of the messages."""
    return " ".join(" ".join(f"Message {n}: {text}" for n, text in enumerate(texts, start=1)).split())


async def test_a_storm_of_429_loses_and_repeats_nothing(place: Place) -> None:
    """Flood limits and long pauses in the middle of long replies leave each chunk in the chat once, in order."""
    texts = [f"{n} {LONG}" for n in range(4)]
    place.telegram.order("sendMessage", too_many(60), times=7)
    await place.post(*texts)
    await work(place.worker())
    await place.pass_by(3000)
    assert place.words() == expected(*texts)
    assert len(place.world.agent.runs) == 4
    assert 429 in {status for _, status in place.telegram.calls}


async def test_ten_minutes_without_telegram_cost_nothing(place: Place) -> None:
    """What is asked while Telegram is down is run once, waits in the outbox, and arrives whole and in order after."""
    texts = ["one", f"two {LONG}", "three"]
    await place.post(*texts)
    place.telegram.is_down = True
    await work(place.worker())
    await place.pass_by(600)
    assert place.telegram.texts() == []
    place.telegram.is_down = False
    await place.pass_by(900)
    assert place.words() == expected(*texts)
    assert len(place.world.agent.runs) == 3
    assert await dead_replies(place.worker(), place.worker().stores("acme")) == []


async def test_progress_alone_keeps_a_chunk_from_coming_twice(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """When no receipt can be written, the outbox still knows how many chunks have arrived."""
    monkeypatch.setattr("outlive.channels.receipts.Receipts.note", _nothing)
    await place.post(LONG)
    monkeypatch.setattr("outlive.channels.telegram.channel.TelegramChannel._send", _second_is_refused())
    await work(place.worker())
    assert (await place.outbox())[0].progress == "1"
    monkeypatch.undo()
    await place.pass_by(300)
    assert place.words() == expected(LONG)


async def _nothing(*_: object) -> None:
    """A note that is lost."""


def _second_is_refused() -> object:
    send, count = TelegramChannel._send, 0

    async def refused(self: TelegramChannel, *arguments: object, **more: object) -> object:
        nonlocal count
        count += 1
        if count == 2:
            raise Unavailable("502")
        return await send(self, *arguments, **more)  # type: ignore[arg-type]

    return refused


async def test_a_crash_between_two_chunks_repeats_none(place: Place) -> None:
    """A worker that dies after the first chunk and its receipt leaves the rest to the next one."""
    plan = Plan(on("table.write", CrashAfter(), nth=4), clock=place.world.clock)
    await place.post(LONG)
    dying = place.worker("w1", plan)
    delivery = await receive(dying)
    assert delivery is not None
    with pytest.raises(Crash):
        await work_one(dying, delivery)
    assert len(place.telegram.texts()) == 1
    place.world.clock.advance(31)
    await work(place.worker("w2"))
    await place.pass_by(300)
    assert place.words() == expected(LONG)
    assert len(place.world.agent.runs) == 1
