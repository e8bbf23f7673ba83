"""The whole way with real processes: the fake Telegram, `outlive telegram run` with the real CLI, and back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from outlive.testing.scripted_model import script
from outlive.testing.telegram import FakeTelegram

pytestmark = [
    pytest.mark.cli,
    pytest.mark.skipif(not Path("/proc").exists(), reason="the CLI's processes end with their worker on Linux only"),
]

SLOW = script({"tool": "Bash", "input": {"command": "echo began >> log.txt; sleep 3"}}, {"text": "done **well**"})
SESSION = "telegram_42:telegram:42:default"


class Host:
    """A machine with a data folder, where the bot is started and killed."""

    def __init__(self, base: Path, telegram: FakeTelegram) -> None:
        self.telegram = telegram
        self._runs: list[asyncio.subprocess.Process] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OUTLIVE_", "ANTHROPIC_"))}
        self.env = kept | {
            "OUTLIVE_DATA": str(base / "data"),
            "OUTLIVE_WORKSPACES": str(base / "host"),
            "OUTLIVE_LEASE_SECONDS": "3",
            "OUTLIVE_VISIBILITY_SECONDS": "3",
            "OUTLIVE_GRACE_SECONDS": "0.5",
            "OUTLIVE_ISOLATION": "none",
            "OUTLIVE_FLUSH_SECONDS": "0.2",
            "OUTLIVE_TELEGRAM_URL": telegram.url,
            "TELEGRAM_BOT_TOKEN": telegram.token,
        }
        (base / "host").mkdir(mode=0o700)

    async def start(self) -> asyncio.subprocess.Process:
        """The bot, once it takes messages."""
        words = ["telegram", "run", "--json", "--workers", "2"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "outlive", *words, env=self.env, stdout=PIPE
        )
        self._runs.append(process)
        assert process.stdout is not None
        while b"takes messages" not in await asyncio.wait_for(process.stdout.readline(), 60):
            assert process.returncode is None
        return process

    async def run(self, *words: str) -> dict[str, Any]:
        """A command to its end; its JSON."""
        process = await self._process(*words, "--json")
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0
        return json.loads(out)

    async def refused(self, *words: str) -> tuple[int | None, dict[str, str]]:
        """A command that has to fail: its exit code and error."""
        process = await self._process(*words, "--json")
        _, err = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, json.loads(err.splitlines()[-1])["error"]

    async def _process(self, *words: str) -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", "outlive", *words]
        return await asyncio.create_subprocess_exec(*command, env=self.env, stdout=PIPE, stderr=PIPE)

    async def answers(self, count: int, chat: int = 42) -> list[str]:
        """The bot's messages in a chat, once there are so many."""
        await self.telegram.until(lambda: len(self.telegram.sent(chat)) >= count, 40)
        return self.telegram.texts(chat)

    async def close(self) -> None:
        """End what is left."""
        for process in self._runs:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """A machine, a fake Telegram and Ada, whom the bot knows."""
    async with FakeTelegram() as telegram:
        telegram.world.person(42, "Ada")
        host = Host(tmp_path, telegram)
        host.env["OUTLIVE_TELEGRAM_ALLOW"] = "42"
        yield host
        await host.close()


async def test_a_token_is_all_that_is_needed(host: Host) -> None:
    """With nothing but a token a stranger gets a code, is let in with it, and is answered from then on."""
    host.env["OUTLIVE_TELEGRAM_ALLOW"] = ""
    await host.start()
    host.telegram.say("hello")
    (greeting,) = await host.answers(1)
    code = greeting.partition("pair ")[2].split()[0]
    assert (await host.run("telegram", "pair", code))["sender"] == "42"
    host.telegram.say("my name is Ada")
    host.telegram.say("what is my name?")
    assert "Ada" in (await host.answers(3))[2]
    assert host.telegram.world.commands
    assert host.telegram.called("sendChatAction")
    assert host.telegram.called("sendMessageDraft")


async def test_one_update_five_times_is_one_reply(host: Host) -> None:
    """The same update again and again is one turn and one reply, and the next message is the second turn."""
    await host.start()
    update = host.telegram.say("my name is Ada")
    for _ in range(4):
        await asyncio.sleep(0.6)
        host.telegram.world.updates.append(update)
        host.telegram.intake.arrived()
    await host.answers(1)
    host.telegram.say("how many turns have we had?")
    answers = await host.answers(2)
    assert len(answers) == 2
    assert (await host.run("sessions", "show", SESSION))["session"]["line"]["turns"] == 2


async def test_a_killed_bot_answers_once(host: Host) -> None:
    """After SIGKILL in mid-turn and a new start the message has one reply, and the session one turn."""
    first = await host.start()
    host.telegram.say(SLOW)
    await host.telegram.until(
        lambda: any("Bash" in call.get("text", "") for call in host.telegram.called("sendMessageDraft"))
    )
    await asyncio.sleep(0.7)
    first.send_signal(signal.SIGKILL)
    await first.wait()
    await host.start()
    assert await host.answers(1) == ["done well"]
    host.telegram.say("how many turns have we had?")
    assert len(await host.answers(2)) == 2
    assert (await host.run("sessions", "show", SESSION))["session"]["line"]["turns"] == 2


async def test_bad_input_is_dropped_and_the_next_message_answered(host: Host) -> None:
    """Stickers, unknown updates, strangers' groups, empty and unreadable messages run nothing and hold nothing up."""
    telegram = host.telegram
    telegram.world.group(-5, "Elsewhere")
    process = await host.start()
    telegram.say(sticker={"file_id": "s", "emoji": "x"})
    telegram.push({"message": {"message_id": "x", "chat": 7}})
    telegram.push({"message": {"chat": {"id": 42, "type": "private"}, "from": {"id": 42}, "text": 5, "date": 1}})
    telegram.say("@outlive_bot hi", chat=-5, entities=[{"type": "mention", "offset": 0, "length": 12}])
    telegram.push({"edited_message": {**telegram.say("hello")["message"], "text": "changed"}})
    assert await host.answers(1)
    await telegram.until(lambda: not telegram.world.updates)
    assert len(telegram.sent()) == 1
    assert process.returncode is None
    assert telegram.sent(-5) == []


async def test_files_reach_the_agent(host: Host) -> None:
    """A document lies in the session's inbox from its message on, and the message names it."""
    await host.start()
    document = host.telegram.world.file(b"the secret word is plum", file_name="../note.txt", mime_type="text/plain")
    update = host.telegram.say(document=document, caption="keep it")
    assert update["message"]["message_id"] == 1
    assert "[file: inbox/1-note.txt]" in (await host.answers(1))[0]
    host.telegram.say("read inbox/1-note.txt")
    assert "plum" in (await host.answers(2))[1]


async def test_the_agent_sends_files(host: Host) -> None:
    """A file that the agent names goes out behind its reply, a picture as a photo."""
    await host.start()
    make = {"tool": "Bash", "input": {"command": "echo hi > report.txt; printf '\\x89PNG' > dot.png"}}
    send = [
        {"tool": "mcp__session__send_file", "input": {"path": path, "caption": path}}
        for path in ("report.txt", "dot.png")
    ]
    host.telegram.say(script(make, *send, {"text": "done"}))
    await host.answers(3)
    text, document, photo = host.telegram.sent()
    assert text["text"] == "done"
    assert (document["document"]["file_name"], document["caption"]) == ("report.txt", "report.txt")
    assert host.telegram.world.files[document["document"]["file_id"]] == b"hi\n"
    assert photo["photo"]


async def test_a_running_turn_is_stopped(host: Host) -> None:
    """/stop takes effect while the turn runs, and the bot says so."""
    await host.start()
    host.telegram.say(script({"tool": "Bash", "input": {"command": "sleep 30"}}, {"text": "slept"}))
    await host.telegram.until(
        lambda: any("Bash" in call.get("text", "") for call in host.telegram.called("sendMessageDraft"))
    )
    host.telegram.say("/stop")
    answers = await host.answers(2)
    assert "Stopping." in answers
    assert "slept" not in answers


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
