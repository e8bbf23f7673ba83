"""Fakes of both vendors, and a webhook in front of an app with an instant agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn

from outlive.channels.wechat.client import AccountClient
from outlive.entrypoints.mcp_server.http import listen
from outlive.entrypoints.wechat.intake import Intake
from outlive.entrypoints.wechat.opening import open_desk
from outlive.entrypoints.wechat.running import _Server
from outlive.entrypoints.wechat.serving import Webhook
from outlive.flows.delivery.tend import tended
from outlive.flows.work_queue import work_queue
from outlive.settings import load_settings
from outlive.testing.clock import ManualClock
from outlive.testing.instant_agent import InstantAgent
from outlive.testing.wechat import FakeWeChat, FakeWeCom
from outlive.wiring import App, open_app

KEY = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"


@dataclass
class Site:
    """A webhook on loopback with its workers."""

    app: App
    agent: InstantAgent
    url: str
    told: list[str] = field(default_factory=list)


@pytest.fixture
def clock() -> ManualClock:
    """The time of client and fake alike."""
    return ManualClock()


@pytest.fixture
async def client(clock: ManualClock) -> AsyncIterator[tuple[FakeWeChat, AccountClient]]:
    """The account's client, and the platform it talks to, where Ada has written just now."""
    async with FakeWeChat(now=clock.now) as fake:
        fake.message(sender="oAda")
        client = AccountClient(fake.app_id, fake.secret, clock, base_url=fake.url)
        yield fake, client
        await client.close()


@asynccontextmanager
async def site(
    base: Path, *, account: FakeWeChat | None = None, bot: FakeWeCom | None = None, workers: int = 1, **settings: object
) -> AsyncIterator[Site]:
    """Serve what the fakes call, until the block ends."""
    given: dict[str, object] = {"wechat_allow": "*", "data": base / "data", "workspaces": base / "trees", **settings}
    if account:
        given |= {"wechat_app_id": account.app_id, "wechat_app_secret": account.secret, "wechat_token": account.token}
        given |= {"wechat_url": account.url, "wechat_aes_key": account.aes_key or None}
    if bot:
        given |= {"wecom_bot_token": bot.token, "wecom_bot_aes_key": bot.aes_key, "wecom_url": bot.url}
    agent = given.pop("agent", None) or InstantAgent()
    assert isinstance(agent, InstantAgent)
    async with open_app(load_settings(**given), agent=agent) as app:
        with listen("127.0.0.1", 0) as listening:
            made = Site(app, agent, f"http://127.0.0.1:{listening.getsockname()[1]}")
            for fake, path in ((account, "/wechat"), (bot, "/wecom")):
                if fake:
                    fake.webhook = made.url + path
            webhook = Webhook(Intake(open_desk(app), made.told.append)).application()
            server = _Server(uvicorn.Config(webhook, log_level="warning", access_log=False, ws="none"))
            stop = asyncio.Event()
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            async with tended(app.engine, made.told.append):
                working = [asyncio.create_task(work_queue(app.engine, stop, wait=0.05)) for _ in range(workers)]
                try:
                    yield made
                finally:
                    stop.set()
                    server.should_exit = True
                    await asyncio.gather(serving, *working)


Sites = Callable[..., object]
