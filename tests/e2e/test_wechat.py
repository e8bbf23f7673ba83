"""The whole way with real processes: the fake vendors, the webhook, a worker with the real CLI, and back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from outlive.testing.scripted_model import script
from outlive.testing.wechat import FakeWeChat, FakeWeCom

pytestmark = [
    pytest.mark.cli,
    pytest.mark.skipif(not Path("/proc").exists(), reason="the CLI's processes end with their worker on Linux only"),
]

KEY = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
SLOW = script({"tool": "Bash", "input": {"command": "echo began >> log.txt; sleep 3"}}, {"text": "done well"})


class Host:
    """A machine with a data folder, where processes are started and killed."""

    def __init__(self, base: Path, account: FakeWeChat, bot: FakeWeCom) -> None:
        self.account, self.bot = account, bot
        self._runs: list[Process] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OUTLIVE_", "ANTHROPIC_"))}
        self.env = kept | {
            "OUTLIVE_DATA": str(base / "data"),
            "OUTLIVE_WORKSPACES": str(base / "host"),
            "OUTLIVE_LEASE_SECONDS": "3",
            "OUTLIVE_VISIBILITY_SECONDS": "3",
            "OUTLIVE_GRACE_SECONDS": "0.5",
            "OUTLIVE_ISOLATION": "none",
            "OUTLIVE_FLUSH_SECONDS": "0.2",
            "OUTLIVE_LIVE_SECONDS": "0.2",
            "OUTLIVE_WECHAT_ALLOW": "*",
            "OUTLIVE_WECHAT_URL": account.url,
            "OUTLIVE_WECOM_URL": bot.url,
            "WECHAT_APP_ID": account.app_id,
            "WECHAT_APP_SECRET": account.secret,
            "WECHAT_TOKEN": account.token,
            "WECHAT_AES_KEY": account.aes_key,
            "WECOM_BOT_TOKEN": bot.token,
            "WECOM_BOT_AES_KEY": bot.aes_key,
        }
        (base / "host").mkdir(mode=0o700)

    async def webhook(self, *, workers: int = 0) -> Process:
        """The intake, once it listens; the vendors call it from then on."""
        process = await self._start("wechat", "run", "--http", "127.0.0.1:0", "--workers", str(workers))
        for fake in (self.account, self.bot):
            fake.webhook = (await self._line(process, "takes messages"))["text"].split()[0]
        return process

    async def worker(self) -> Process:
        """A worker in a process of its own, once it takes messages."""
        process = await self._start("worker", "--model", "scripted")
        await self._line(process, "started")
        return process

    async def _start(self, *words: str) -> Process:
        command = [sys.executable, "-m", "outlive", *words, "--json"]
        process = await asyncio.create_subprocess_exec(*command, env=self.env, stdout=PIPE)
        self._runs.append(process)
        return process

    async def _line(self, process: Process, words: str) -> dict[str, Any]:
        assert process.stdout is not None
        while words not in (line := (await asyncio.wait_for(process.stdout.readline(), 60)).decode()):
            assert line, process.returncode
        return json.loads(line)

    async def run(self, *words: str) -> dict[str, Any]:
        """A command to its end; its JSON."""
        command = [sys.executable, "-m", "outlive", *words, "--json"]
        process = await asyncio.create_subprocess_exec(*command, env=self.env, stdout=PIPE)
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0
        return json.loads(out)

    async def shown(self, words: str) -> None:
        """Wait until the bot's vendor was given a text with these words."""
        await self.account.until(lambda: any(words in "".join(each.texts) for each in self.bot.shown.values()), 40)

    async def close(self) -> None:
        """End what is left."""
        for process in self._runs:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """A machine and both vendors; the account is in safe mode."""
    async with FakeWeChat(aes_key=KEY) as account, FakeWeCom() as bot:
        host = Host(tmp_path, account, bot)
        yield host
        await host.close()


async def test_both_vendors_are_answered_by_workers_of_their_own(host: Host) -> None:
    """Webhook and workers are processes apart: one reply is sent, one pulled, and a worker's death costs nothing."""
    _, worker = await asyncio.gather(host.webhook(), host.worker())
    await host.account.say("my name is Ada")
    await host.account.until(lambda: bool(host.account.people["oAda"].heard), 40)
    assert host.account.people["oAda"].heard[0][0] == "service"
    telling = asyncio.create_task(host.bot.say(SLOW))
    await host.shown("Bash")
    await asyncio.sleep(0.7)
    worker.send_signal(signal.SIGKILL)
    await asyncio.gather(worker.wait(), host.worker())
    assert (await asyncio.wait_for(telling, 60)).texts[-1] == "done well"
    shown = await host.run("sessions", "show", "wecom_ada:wecom:ada:default")
    assert shown["session"]["line"]["turns"] == 1
    await host.account.say("what is my name?")
    await host.account.until(lambda: len(host.account.texts()) == 2, 40)
    assert "Ada" in host.account.texts()[1]


async def test_one_process_answers_and_stops(host: Host) -> None:
    """With its workers beside it the webhook gives one reply, in time on the request; a stop reaches a running turn."""
    await host.webhook(workers=2)
    answered = await host.account.say("hello")
    await host.account.until(lambda: bool(host.account.people["oAda"].heard), 40)
    way = "service" if answered.body == b"success" else "passive"  # a busy machine may take longer than 5 s
    assert [kind for kind, _ in host.account.people["oAda"].heard] == [way]
    slow = script({"tool": "Bash", "input": {"command": "sleep 30"}}, {"text": "slept"})
    telling = asyncio.create_task(host.bot.say(slow))
    await host.shown("Bash")
    assert (await host.bot.say("/stop")).texts == ["Stopping."]
    answer = await asyncio.wait_for(telling, 30)
    assert "slept" not in answer.texts[-1]
