"""What people press and type while a turn runs takes effect on whatever worker runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from outlive.agents.models import ModelSettings
from outlive.channels.telegram.channel import TelegramChannel
from outlive.channels.telegram.client import BotClient
from outlive.channels.telegram.rules import Rules
from outlive.core.keys import session_key
from outlive.core.messages import Inbound
from outlive.entrypoints.telegram.controls import Controls
from outlive.entrypoints.telegram.intake import Intake
from outlive.entrypoints.telegram.opening import Bot
from outlive.flows.accept_message import accept_message
from outlive.flows.engine import Engine
from outlive.flows.run_turn import run_turn
from outlive.settings import load_settings
from outlive.testing.counting import Counts
from outlive.testing.telegram import FakeTelegram
from outlive.wiring import App
from tests.engine.asking import AskingAgent
from tests.engine.conftest import World
from tests.engine.held import HeldAgent
from tests.engine.queued import work

KEY = session_key("acme", "telegram", "42")


@dataclass
class Desk:
    """An intake in one process, workers in others."""

    world: World
    telegram: FakeTelegram
    bot: BotClient

    def engine(self, name: str) -> Engine:
        """A process."""
        engine = self.world.worker(name, approval_seconds=600.0)
        return replace(engine, channels={"telegram": TelegramChannel(self.bot, engine.table, self.world.clock)})

    async def take(self, update: dict[str, Any]) -> None:
        """What the intake's process makes of an update."""
        engine = self.engine("intake")
        channel = engine.channels["telegram"]
        assert isinstance(channel, TelegramChannel)
        app = App(load_settings(tenant="acme"), engine, ModelSettings("scripted"), Counts(), engine)
        rules = Rules(self.telegram.world.bot_id, "outlive_bot", allowed=frozenset({42}), tenant="acme")
        bot = Bot(app, channel, rules)
        await Intake(bot, Controls(bot), print).take([update])

    @asynccontextmanager
    async def running(self, agent: HeldAgent) -> AsyncIterator[asyncio.Task[Any]]:
        """A turn of another process, until the block ends."""
        inbound = Inbound(KEY, "m1", "long", self.world.clock.now(), "42")
        turn = asyncio.create_task(run_turn(self.engine("worker"), inbound))
        await agent.begun.wait()
        try:
            yield turn
        finally:
            agent.go.set()
            await asyncio.gather(turn, return_exceptions=True)


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """Ada's bot."""
    monkeypatch.chdir(tmp_path)
    world = World(tmp_path)
    async with FakeTelegram(now=world.clock.now) as telegram:
        telegram.world.person(42, "Ada")
        bot = BotClient(telegram.token, world.clock, base_url=telegram.url)
        yield Desk(world, telegram, bot)
        await bot.close()


@pytest.fixture
def agent(desk: Desk) -> HeldAgent:
    """The agent, whose turns last."""
    desk.world.agent = HeldAgent()
    return desk.world.agent


async def test_stop_reaches_a_turn_of_another_process(desk: Desk, agent: HeldAgent) -> None:
    """/stop at the intake interrupts the turn that another worker runs, and what there is is kept."""
    async with desk.running(agent) as turn:
        await desk.take(desk.telegram.say("/stop"))
        await desk.world.clock.let_pass(2.6)
        assert (await asyncio.wait_for(turn, 5)).line.stop_reason == "interrupted"
    assert desk.telegram.texts()[0] == "Stopping."


async def test_the_stop_button_reaches_it_too(desk: Desk, agent: HeldAgent) -> None:
    """The button below a group's live message and the draft's own Stop are the same as /stop."""
    async with desk.running(agent) as turn:
        message = desk.telegram.world.message(desk.telegram.world.chats[42], desk.telegram.world.bot, {"text": "…"})
        await desk.take(desk.telegram.press(message, "stop"))
        await desk.world.clock.let_pass(2.6)
        assert (await asyncio.wait_for(turn, 5)).line.stop_reason == "interrupted"


async def test_status_tells_of_a_turn_of_another_process(desk: Desk, agent: HeldAgent) -> None:
    """/status says that a turn runs, and how many messages wait behind it."""
    async with desk.running(agent):
        engine = desk.engine("intake")
        waiting = Inbound(KEY, "m2", "next", engine.clock.now(), "42")
        await accept_message(engine.queue, waiting, engine.clock)
        await desk.take(desk.telegram.say("/status"))
    assert "A turn runs, 1 message waits." in desk.telegram.texts()[0]


async def test_new_takes_effect_while_a_turn_runs(desk: Desk, agent: HeldAgent) -> None:
    """After /new the next message has a session of its own; the running turn still answers."""
    async with desk.running(agent) as turn:
        await desk.take(desk.telegram.say("/new"))
    old = (await turn).session_id
    fresh = await run_turn(desk.engine("w2"), Inbound(KEY, "m2", "hello", desk.world.clock.now(), "42"))
    assert fresh.session_id != old
    assert "Message 1: long" in desk.telegram.texts()


async def test_an_approval_is_taken_by_any_worker(desk: Desk) -> None:
    """A question asked by one worker is answered by its button, and another worker makes the call."""
    agent = desk.world.agent = AskingAgent()
    await desk.take(desk.telegram.say("push 1"))
    await work(desk.engine("w1"))
    (question,) = desk.telegram.sent()
    (row,) = question["reply_markup"]["inline_keyboard"]
    await desk.take(desk.telegram.press(question, row[0]["callback_data"]))
    await work(desk.engine("w2"))
    assert len(agent.pushed) == 1
    assert "decided True" in desk.telegram.texts()[-1]
