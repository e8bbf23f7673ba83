"""The whole way with real processes: the fake vendors, the webhook, a worker with the real CLI, and back."""

from __future__ import annotations

import asyncio
import json
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from outlive.testing.wechat import FakeWeChat, FakeWeCom
from tests.e2e.chat_host import FOREVER, SLOW, ChatHost

pytestmark = [
    pytest.mark.cli,
    pytest.mark.skipif(not Path("/proc").exists(), reason="the CLI's processes end with their worker on Linux only"),
]

KEY = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"


class Host(ChatHost):
    """A machine where webhook and workers are started and killed."""

    def __init__(self, base: Path, account: FakeWeChat, bot: FakeWeCom) -> None:
        super().__init__(
            base,
            OUTLIVE_LIVE_SECONDS="0.2",
            OUTLIVE_WECHAT_ALLOW="*",
            OUTLIVE_WECHAT_URL=account.url,
            OUTLIVE_WECOM_URL=bot.url,
            WECHAT_APP_ID=account.app_id,
            WECHAT_APP_SECRET=account.secret,
            WECHAT_TOKEN=account.token,
            WECHAT_AES_KEY=account.aes_key,
            WECOM_BOT_TOKEN=bot.token,
            WECOM_BOT_AES_KEY=bot.aes_key,
        )
        self.account, self.bot = account, bot

    async def webhook(self, *, workers: int = 0) -> None:
        """The intake, once it listens; the vendors call it from then on."""
        process, line = await self.start("wechat", "run", "--http", "127.0.0.1:0", "--workers", str(workers))
        for fake in (self.account, self.bot):
            fake.webhook = json.loads(line)["text"].split()[0]
            line = await self.line(process, "takes messages") if fake is self.account else line

    async def worker(self) -> Process:
        """A worker in a process of its own, once it takes messages."""
        return (await self.start("worker", "--model", "scripted", until="started"))[0]

    async def shown(self, words: str) -> None:
        """Wait until the bot's vendor was given a text with these words."""
        await self.account.until(lambda: any(words in "".join(each.texts) for each in self.bot.shown.values()), 40)


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
    assert (await asyncio.wait_for(telling, 60)).texts[-1] == "done **well**"
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
    telling = asyncio.create_task(host.bot.say(FOREVER))
    await host.shown("Bash")
    assert (await host.bot.say("/stop")).texts == ["Stopping."]
    answer = await asyncio.wait_for(telling, 30)
    assert "slept" not in answer.texts[-1]
