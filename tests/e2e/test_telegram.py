"""The whole way with real processes: the fake Telegram, `outlive telegram run` with the real CLI, and back."""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from outlive.testing.scripted_model import ScriptedModel, script
from outlive.testing.telegram import FakeTelegram
from tests.e2e.chat_host import FOREVER, SLOW, ChatHost

pytestmark = [
    pytest.mark.cli,
    pytest.mark.skipif(not Path("/proc").exists(), reason="the CLI's processes end with their worker on Linux only"),
    pytest.mark.asyncio(loop_scope="module"),
]

PEOPLE = range(42, 50)
"""A person, and so a chat and a session, for each test."""


class Host(ChatHost):
    """A machine where the bot is started and killed."""

    def __init__(self, base: Path, telegram: FakeTelegram, **env: str) -> None:
        super().__init__(base, OUTLIVE_TELEGRAM_URL=telegram.url, TELEGRAM_BOT_TOKEN=telegram.token, **env)
        self.telegram = telegram

    async def bot(self) -> Process:
        """The bot, once it takes messages."""
        return (await self.start("telegram", "run", "--workers", "2"))[0]

    async def answers(self, count: int, chat: int = 42) -> list[str]:
        """The bot's messages in a chat, once there are so many."""
        await self.telegram.until(lambda: len(self.telegram.sent(chat)) >= count, 40)
        return self.telegram.texts(chat)

    async def running(self, chat: int) -> None:
        """Wait until the chat's turn uses its tool."""

        def shown() -> bool:
            drafts = self.telegram.called("sendMessageDraft")
            return any("Bash" in call.get("text", "") for call in drafts if call.get("chat_id") == chat)

        await self.telegram.until(shown, 40)

    async def turns(self, chat: int) -> int:
        """How many turns the chat's session has had."""
        shown = await self.run("sessions", "show", f"telegram_{chat}:telegram:{chat}:default")
        turns: int = shown["session"]["line"]["turns"]
        return turns


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncIterator[ScriptedModel]:
    """The model behind the shared bot."""
    async with ScriptedModel() as model:
        yield model


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel) -> AsyncIterator[Host]:
    """A bot that runs for all tests that do not kill it; a person and a chat for each."""
    async with FakeTelegram() as telegram:
        env = {"OUTLIVE_TELEGRAM_ALLOW": " ".join(map(str, PEOPLE)), "OUTLIVE_MODELS": "haiku,claude-opus-4-8"}
        reached = {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "none-is-needed"}
        host = Host(tmp_path_factory.mktemp("bot"), telegram, **env, **reached)
        await host.bot()
        yield host
        await host.close()


@pytest_asyncio.fixture(loop_scope="module")
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """A machine of the test's own, with nothing but a token."""
    async with FakeTelegram() as telegram:
        telegram.world.person(42, "Ada")
        host = Host(tmp_path, telegram)
        yield host
        await host.close()


async def test_a_token_is_all_that_is_needed_and_a_kill_is_survived(host: Host) -> None:
    """With a token alone a stranger is let in by a code; a turn whose bot gets SIGKILL is answered once by the next."""
    first = await host.bot()
    host.telegram.say("hello")
    (greeting,) = await host.answers(1)
    code = greeting.partition("pair ")[2].split()[0]
    assert (await host.run("telegram", "pair", code))["sender"] == "42"
    assert host.telegram.world.commands
    host.telegram.say(SLOW)
    await host.running(42)
    await asyncio.sleep(0.7)
    first.send_signal(signal.SIGKILL)
    await first.wait()
    await host.bot()
    assert (await host.answers(2))[1] == "done well"
    host.telegram.say("how many turns have we had?")
    assert len(await host.answers(3)) == 3
    assert await host.turns(42) == 2
    assert host.telegram.called("sendChatAction")


async def test_one_update_five_times_is_one_reply(shared: Host) -> None:
    """The same update again and again is one turn and one reply, and the next message is the second turn."""
    update = shared.telegram.say("my name is Ada", sender=43)
    for _ in range(4):
        await asyncio.sleep(0.6)
        shared.telegram.world.updates.append(update)
        shared.telegram.intake.arrived()
    await shared.answers(1, 43)
    shared.telegram.say("how many turns have we had?", sender=43)
    assert len(await shared.answers(2, 43)) == 2
    assert await shared.turns(43) == 2


async def test_bad_input_is_dropped_and_the_next_message_answered(shared: Host) -> None:
    """Stickers, unknown updates, strangers' groups, empty and unreadable messages run nothing and hold nothing up."""
    telegram, ada = shared.telegram, {"id": 44, "type": "private"}
    telegram.world.group(-5, "Elsewhere")
    telegram.say(sticker={"file_id": "s", "emoji": "x"}, sender=44)
    telegram.push({"message": {"message_id": "x", "chat": 7}})
    telegram.push({"message": {"chat": ada, "from": {"id": 44}, "text": 5, "date": 1}})
    telegram.say("@outlive_bot hi", chat=-5, entities=[{"type": "mention", "offset": 0, "length": 12}], sender=44)
    telegram.push({"edited_message": {**telegram.say("hello", sender=44)["message"], "text": "changed"}})
    assert await shared.answers(1, 44)
    await telegram.until(lambda: not telegram.world.updates)
    assert len(telegram.sent(44)) == 1
    assert telegram.sent(-5) == []


async def test_files_reach_the_agent(shared: Host) -> None:
    """A document lies in the session's inbox from its message on, and the message names it."""
    telegram = shared.telegram
    document = telegram.world.file(b"the secret word is plum", file_name="../note.txt", mime_type="text/plain")
    update = telegram.say(document=document, caption="keep it", sender=45)
    name = f"inbox/{update['message']['message_id']}-note.txt"
    assert f"[file: {name}]" in (await shared.answers(1, 45))[0]
    telegram.say(f"read {name}", sender=45)
    assert "plum" in (await shared.answers(2, 45))[1]


async def test_the_agent_sends_files(shared: Host) -> None:
    """A file that the agent names goes out behind its reply, a picture as a photo."""
    make = {"tool": "Bash", "input": {"command": "echo hi > report.txt; printf '\\x89PNG' > dot.png"}}
    send = [
        {"tool": "mcp__session__send_file", "input": {"path": path, "caption": path}}
        for path in ("report.txt", "dot.png")
    ]
    shared.telegram.say(script(make, *send, {"text": "done"}), sender=46)
    await shared.answers(3, 46)
    text, document, photo = shared.telegram.sent(46)
    assert text["text"] == "done"
    assert (document["document"]["file_name"], document["caption"]) == ("report.txt", "report.txt")
    assert shared.telegram.world.files[document["document"]["file_id"]] == b"hi\n"
    assert photo["photo"]


async def test_a_running_turn_is_stopped(shared: Host) -> None:
    """/stop takes effect while the turn runs, and the bot says so."""
    shared.telegram.say(FOREVER, sender=47)
    await shared.running(47)
    shared.telegram.say("/stop", sender=47)
    answers = await shared.answers(2, 47)
    assert "Stopping." in answers
    assert "slept" not in answers


async def test_a_chosen_model_answers(shared: Host, model: ScriptedModel) -> None:
    """/model NAME counts from the next turn on for the real CLI, others are refused, /model default takes it back."""
    say, asked = shared.telegram.say, list[str]()
    for number, choice in enumerate(("", "claude-opus-4-8", "gpt-9", "default")):
        say(f"/model {choice}", sender=48)
        await shared.answers(2 * number + 1, 48)
        say(f"what is {number}?", sender=48)
        await shared.answers(2 * number + 2, 48)
        asked.append(next(each for each in reversed(model.requests) if each.kind == "turn").body["model"])
    usual, chosen, after, back = asked
    assert (chosen, after, back) == ("claude-opus-4-8", "claude-opus-4-8", usual)
    assert usual != chosen
    assert "claude-opus-4-8, from your next message on" in shared.telegram.texts(48)[2]


async def test_a_webhook_is_set_looked_at_and_deleted(host: Host) -> None:
    """The webhook is set with the secret only, keeps the poller away, and is gone when it is deleted."""
    url = "https://bot.example.org/telegram"
    code, error = await host.refused("telegram", "webhook", "set", url)
    assert (code, "TELEGRAM_WEBHOOK_SECRET" in error["fix"]) == (2, True)
    host.env["TELEGRAM_WEBHOOK_SECRET"] = "a-secret-of-some-length"
    assert (await host.run("telegram", "webhook", "set", url))["url"] == url
    assert host.telegram.intake.webhook["secret_token"] == "a-secret-of-some-length"
    code, error = await host.refused("telegram", "run")
    assert (code, "webhook delete" in error["fix"]) == (2, True)
    assert (await host.run("telegram", "webhook", "delete"))["url"] == ""
    assert (await host.run("telegram", "webhook", "info"))["pending_update_count"] == 0


async def test_what_is_missing_is_named(host: Host) -> None:
    """Without a token, with a wrong one, and with a code that nobody has, the error says what to do."""
    code, error = await host.refused("telegram", "pair", "00000000")
    assert (code, error["type"]) == (1, "NotFound")
    host.env["TELEGRAM_BOT_TOKEN"] = "1:wrong"
    code, error = await host.refused("telegram", "run")
    assert (code, "TELEGRAM_BOT_TOKEN" in error["fix"], "wrong" in error["message"]) == (1, True, False)
    del host.env["TELEGRAM_BOT_TOKEN"]
    code, error = await host.refused("telegram", "run")
    assert (code, "TELEGRAM_BOT_TOKEN" in error["fix"]) == (2, True)
