"""Commands that mean the same on Telegram, Slack and WeChat, each through the channel's own controls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from outlive.agents.models import ModelSettings
from outlive.channels.slack import commands as slack_commands
from outlive.channels.slack.decisions import Control as SlackControl
from outlive.channels.slack.rules import Place as SlackPlace
from outlive.channels.slack.rules import Rules as SlackRules
from outlive.channels.telegram import commands as telegram_commands
from outlive.channels.telegram.decisions import Control as TelegramControl
from outlive.channels.telegram.rules import Place as TelegramPlace
from outlive.channels.telegram.rules import Rules as TelegramRules
from outlive.channels.wechat import decisions as wechat_commands
from outlive.channels.wechat.decisions import Control as WeChatControl
from outlive.channels.wechat.rules import Rules as WeChatRules
from outlive.core.keys import SessionKey, session_key
from outlive.core.messages import Inbound
from outlive.entrypoints.slack.controls import Controls as SlackControls
from outlive.entrypoints.slack.opening import Bot as SlackBot
from outlive.entrypoints.telegram.controls import Controls as TelegramControls
from outlive.entrypoints.telegram.opening import Bot as TelegramBot
from outlive.entrypoints.wechat.controls import run_control
from outlive.entrypoints.wechat.opening import Desk
from outlive.errors import OutliveError
from outlive.flows.delivery.link_sessions import list_links
from outlive.flows.run_turn import run_turn
from outlive.flows.turn.find_session import find_session
from outlive.settings import load_settings
from outlive.testing.counting import Counts
from outlive.wiring import App
from tests.engine.conftest import World

Run = Callable[[App, SessionKey, str, str, str], Awaitable[str]]


async def _telegram(app: App, key: SessionKey, name: str, argument: str, sender: str) -> str:
    bot = TelegramBot(app, None, TelegramRules(1, owners=frozenset({1})))  # type: ignore[arg-type]
    place = TelegramPlace(int(key.chat_id), None, is_private=True)
    return await TelegramControls(bot).run(TelegramControl(name, argument, key, "m", sender, place))


async def _slack(app: App, key: SessionKey, name: str, argument: str, sender: str) -> str:
    bot = SlackBot(app, None, SlackRules(owners=frozenset({"1"})), "app")  # type: ignore[arg-type]
    return await SlackControls(bot).run(SlackControl(name, argument, key, "m", sender, SlackPlace(key.chat_id)))


async def _wechat(app: App, key: SessionKey, name: str, argument: str, sender: str) -> str:
    desk = Desk(app, WeChatRules(owners=frozenset({"1"})), None, None)
    return await run_control(desk, WeChatControl(name, argument, key, "m", sender))


CHATS: dict[str, tuple[Run, Any]] = {
    "telegram": (_telegram, telegram_commands.COMMANDS),
    "slack": (_slack, slack_commands.COMMANDS),
    "wechat": (_wechat, wechat_commands.COMMANDS),
}


@dataclass
class Chat:
    """One chat, in front of an engine."""

    world: World
    run: Run
    key: SessionKey
    app: App

    async def say(self, name: str, argument: str = "", *, sender: str = "1") -> str:
        """What a command is answered with, refusals included."""
        try:
            return await self.run(self.app, self.key, name, argument, sender)
        except OutliveError as error:
            return f"refused: {error}"

    async def ask(self, text: str) -> str:
        """The session in which a message was answered."""
        turn = await run_turn(self.app.engine, Inbound(self.key, text, text, self.world.clock.now(), "1"))
        return turn.session_id


@pytest.fixture(params=CHATS)
def chat(request: pytest.FixtureRequest, tmp_path: Path) -> Chat:
    """A chat on each of the three."""
    world = World(tmp_path)
    engine = world.worker(models=("haiku", "opus"))
    engine = replace(engine, channels={request.param: world.inbox})
    app = App(load_settings(tenant="acme"), engine, ModelSettings("scripted"), Counts(), engine)
    return Chat(world, CHATS[request.param][0], session_key("acme", request.param, "7"), app)


@pytest.mark.parametrize("name", CHATS)
def test_every_chat_offers_them(name: str) -> None:
    """Each channel lists the commands in its help, and only its owners may look into a session."""
    assert {"link", "unlink", "sessions", "resume", "model", "busy", "debug"} <= CHATS[name][1].keys()


async def test_a_link_is_made_redeemed_and_removed(chat: Chat) -> None:
    """A code from one chat brings another to its session, and `unlink` gives that one a session of its own."""
    own = await chat.ask("one")
    words = await chat.say("link")
    code = next(word for word in words.replace("`", " ").split() if word.isdigit())
    other = replace(chat, key=session_key("acme", chat.key.channel, "8"))
    assert own in await other.say("link", code)
    assert len(await list_links(chat.app.engine, chat.key)) == 2
    assert "of its own" in await other.say("unlink")
    assert await other.ask("two") != own
    assert "not linked" in await other.say("unlink")


async def test_a_wrong_code_links_nothing(chat: Chat) -> None:
    """A code that nobody has is told as wrong."""
    assert "wrong, over or used" in await chat.say("link", "12345678")


async def test_sessions_are_listed_and_resumed(chat: Chat) -> None:
    """Both sessions of a chat are listed with their titles, and the first goes on after `resume`."""
    old = await chat.ask("first question")
    await chat.say("new")
    new = await chat.ask("second question")
    listed = await chat.say("sessions")
    assert all(word in listed for word in (old, new, "first question"))
    assert old in await chat.say("resume", old)
    assert await chat.ask("third") == old
    assert new not in await chat.say("resume", "x")
    assert await chat.ask("fourth") == old


async def test_the_model_is_shown_and_chosen(chat: Chat) -> None:
    """What is offered is named, a choice is used by the next turn, and anything else is refused by its name."""
    assert "haiku, opus, default" in await chat.say("model")
    assert "opus" in await chat.say("model", "opus")
    await chat.ask("one")
    assert chat.world.agent.runs[-1].model == "opus"
    assert "'gpt' is not offered" in await chat.say("model", "gpt")
    assert "scripted" in await chat.say("model", "default")


async def test_no_model_is_chosen_where_none_is_offered(chat: Chat) -> None:
    """Without a list of models the command only tells which one answers."""
    app = replace(chat.app, engine=replace(chat.app.engine, policy=replace(chat.app.engine.policy, models=())))
    bare = replace(chat, app=app)
    assert await bare.say("model") == "Model: scripted, not a language model."
    assert "OUTLIVE_MODELS" in await bare.say("model", "opus")


async def test_what_a_second_message_does_is_shown_and_chosen(chat: Chat) -> None:
    """The mode is told, changed for this session, taken back, and one that is not known is refused."""
    assert "work: queue." in await chat.say("busy")
    assert "work: steer." in await chat.say("busy", "Steer")
    assert "work: steer." in await chat.say("busy")
    assert "work: queue." in await chat.say("busy", "default")
    assert "'later' is not known" in await chat.say("busy", "later")


@pytest.mark.defect(20)
async def test_only_owners_look_into_a_session(chat: Chat) -> None:
    """Defect 20: `debug` is refused to everybody but the owners, and nothing of the session is told."""
    session_id = await chat.ask("secret")
    told = await chat.say("debug", sender="2")
    assert "owners" in told
    assert session_id not in told
    assert session_id in await chat.say("debug")


async def test_a_chat_without_a_session_is_told_so(chat: Chat) -> None:
    """Commands about a session that there is not yet make none, but for those that choose or link."""
    assert await chat.say("debug") == await chat.say("sessions") == "No session yet."
    await chat.say("model")
    await chat.say("busy")
    with pytest.raises(OutliveError, match="has no session"):
        await find_session(chat.app.engine, chat.app.engine.stores("acme"), chat.key)
