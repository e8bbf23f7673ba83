"""Requests that no vendor would send, or nobody can read: answered as the vendor expects, told once, nothing done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from outlive.agents.models import ModelSettings
from outlive.channels.slack.rules import Rules as SlackRules
from outlive.channels.slack.webhook import sign as slack_signature
from outlive.channels.telegram.rules import Rules as TelegramRules
from outlive.channels.wechat.sealing import Sealer
from outlive.channels.wechat.signing import signature as wechat_signature
from outlive.entrypoints.http_api.app import create_app
from outlive.entrypoints.slack.controls import Controls as SlackControls
from outlive.entrypoints.slack.intake import Intake as SlackIntake
from outlive.entrypoints.slack.opening import Bot as SlackBot
from outlive.entrypoints.slack.serving import Endpoint
from outlive.entrypoints.telegram.controls import Controls as TelegramControls
from outlive.entrypoints.telegram.intake import Intake as TelegramIntake
from outlive.entrypoints.telegram.opening import Bot as TelegramBot
from outlive.entrypoints.wechat.intake import Intake as WeChatIntake
from outlive.entrypoints.wechat.opening import open_desk
from outlive.entrypoints.wechat.serving import Webhook
from outlive.settings import load_settings
from outlive.testing.counting import Counts
from outlive.vendors import open_channels
from outlive.wiring import App
from tests.engine.conftest import World

SECRET, TOKEN = "a-signing-secret-of-some-length", "wechat-token"
KEY = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
BIG = b" " * 10_000_000
UTF16 = '{"type": "event_callback"}'.encode("utf-16")


@dataclass
class Door:
    """One channel's public address, with an engine behind it."""

    world: World
    app: App
    told: list[str] = field(default_factory=list)

    async def queued(self) -> int:
        """Messages that were taken."""
        depth = await self.app.engine.queue.depth()
        return depth.waiting + depth.in_flight + depth.dead

    async def post(self, served: Any, path: str, body: bytes, **request: Any) -> httpx.Response:
        """One request."""
        transport = httpx.ASGITransport(served, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as http:
            return await http.post(path, content=body, **request)


@pytest.fixture
def door(tmp_path: Path) -> Door:
    """Nobody has said anything yet."""
    world = World(tmp_path)
    engine = world.worker()
    app = App(load_settings(tenant="acme"), engine, ModelSettings("scripted"), Counts(), engine)
    return Door(world, app)


# --------------------------------------------------------------------------------------------------- Slack


def event(**changes: Any) -> bytes:
    """A private message of somebody who is let in, but for the changes."""
    fields = {"type": "message", "channel": "D0ADA", "user": "U0ADA", "text": "hello", "ts": "1700000000.000001"}
    return json.dumps({"type": "event_callback", "team_id": "T0TEAM", "event": fields | changes}).encode()


SLACK: dict[str, tuple[bytes, str, float, int]] = {
    "forged signature": (event(), "another-secret-of-some-length", 0, 401),
    "replayed old request": (event(), SECRET, -301, 401),
    "request from the future": (event(), SECRET, 301, 401),
    "type never seen": (event(type="planet_aligned"), SECRET, 0, 200),
    "10 MB": (BIG, SECRET, 0, 413),
    "broken JSON": (b'{"type": ', SECRET, 0, 200),
    "another encoding": (UTF16, SECRET, 0, 200),
    "a list": (b"[]", SECRET, 0, 200),
    "nested too deeply": (b"[" * 100_000, SECRET, 0, 200),
    "unknown channel": (event(channel="C0UNKNOWN", channel_type="channel"), SECRET, 0, 200),
    "another workspace": (event().replace(b"T0TEAM", b"T0OTHER"), SECRET, 0, 200),
    "empty text": (event(text=""), SECRET, 0, 200),
    "a bot": (event(bot_id="B1"), SECRET, 0, 200),
    "overlong text": (event(text="x" * 600_000), SECRET, 0, 200),
    "no text at all": (event(text=None), SECRET, 0, 200),
}


@pytest.mark.parametrize("name", SLACK)
async def test_slack_takes_nothing_bad(door: Door, name: str) -> None:
    """Forged, old and too large requests get an error, all others 200; each is told once, and nothing is queued."""
    body, secret, age, status = SLACK[name]
    rules = SlackRules("U0BOT", "T0TEAM", allowed=frozenset({"U0ADA"}), tenant="acme")
    bot = SlackBot(door.app, None, rules, "app")  # type: ignore[arg-type]
    intake = SlackIntake(bot, SlackControls(bot), door.told.append)
    endpoint = Endpoint(intake.take, rules, SECRET, door.world.clock, door.told.append)
    stamp = str(int(door.world.clock.now() + age))
    headers = {"x-slack-request-timestamp": stamp, "x-slack-signature": slack_signature(secret, stamp, body)}
    response = await door.post(endpoint, "/", body, headers=headers)
    assert (response.status_code, len(door.told), await door.queued()) == (status, 1, 0), door.told


async def test_slack_refuses_what_is_not_signed(door: Door) -> None:
    """Without a signature, or with half of one, a request gets 401 and is not read."""
    endpoint = Endpoint(_never, SlackRules(), SECRET, door.world.clock, door.told.append)
    for headers in ({}, {"x-slack-signature": "v0="}, {"x-slack-request-timestamp": "soon"}):
        assert (await door.post(endpoint, "/", event(), headers=headers)).status_code == 401
    assert len(door.told) == 3


async def _never(_decision: object) -> None:
    pytest.fail("something was handed over")


# ------------------------------------------------------------------------------------------------ Telegram


def update(**changes: Any) -> dict[str, Any]:
    """Ada's private message, but for the changes; a change to None leaves the field out."""
    ada = {"id": 42, "is_bot": False, "first_name": "Ada"}
    fields = {"message_id": 1, "date": 1, "chat": {"id": 42, "type": "private"}, "from": ada, "text": "hello"} | changes
    return {"update_id": 1, "message": {name: value for name, value in fields.items() if value is not None}}


TELEGRAM: dict[str, dict[str, Any]] = {
    "type never seen": {"update_id": 1, "planet_aligned": {}},
    "nothing": {},
    "id is no number": update() | {"update_id": "x"},
    "sticker only": update(text=None, sticker={"file_id": "s"}),
    "empty text": update(text=""),
    "blank text": update(text=" \n "),
    "unknown group": update(chat={"id": -100, "type": "supergroup"}, text="@the_bot hi"),
    "text is a list": update(text=["a"]),
    "chat is no object": update(chat=7),
    "a bot": update(**{"from": {"id": 9, "is_bot": True, "first_name": "B"}}),
    "overlong text": update(text="x" * 600_000),
    "date is true": update(date=True),
    "service message": update(text=None, new_chat_title="x"),
}


@pytest.mark.parametrize("name", TELEGRAM)
async def test_telegram_takes_nothing_bad(door: Door, name: str) -> None:
    """Each update counts as taken, so that it does not come again; it is told once, and nothing is queued."""
    rules = TelegramRules(7, "the_bot", allowed=frozenset({42}), tenant="acme")
    bot = TelegramBot(door.app, None, rules)  # type: ignore[arg-type]
    await TelegramIntake(bot, TelegramControls(bot), door.told.append).take([TELEGRAM[name]])
    assert (len(door.told), await door.queued()) == (1, 0), door.told
    assert door.told[0].startswith("not taken: ")


# -------------------------------------------------------------------------------------------------- WeChat


def xml(**changes: str) -> bytes:
    """A message of a follower, but for the changes."""
    fields = {"ToUserName": "gh_1", "FromUserName": "oAda", "CreateTime": "1", "MsgType": "text", "Content": "hello",
              "MsgId": "7"} | changes  # fmt: skip
    return ("<xml>" + "".join(f"<{name}>{value}</{name}>" for name, value in fields.items()) + "</xml>").encode()


def callback(**changes: Any) -> bytes:
    """A bot's message, but for the changes."""
    fields = {"msgid": "1", "aibotid": "b", "chattype": "single", "from": {"userid": "ada"}, "msgtype": "text"}
    return json.dumps(fields | {"text": {"content": "hello"}} | changes).encode()


ACCOUNT: dict[str, tuple[bytes, str, float, int]] = {
    "forged signature": (xml(), "another", 0, 403),
    "replayed old request": (xml(), TOKEN, -3600, 403),
    "type never seen": (xml(MsgType="hologram"), TOKEN, 0, 200),
    "event never seen": (xml(MsgType="event", Event="eclipse"), TOKEN, 0, 200),
    "10 MB": (BIG, TOKEN, 0, 413),
    "broken XML": (b"<xml><a>", TOKEN, 0, 200),
    "entities": (b'<!DOCTYPE x [<!ENTITY a "b">]><xml>&a;</xml>', TOKEN, 0, 200),
    "another encoding": (xml().replace(b"hello", b"\xff\xfe"), TOKEN, 0, 200),
    "empty text": (xml(Content=""), TOKEN, 0, 200),
    "number is none": (xml(MsgId="seven"), TOKEN, 0, 200),
    "sticker only": (xml(MsgType="emoticon", Content=""), TOKEN, 0, 200),
    "overlong text": (xml(Content="x" * 600_000), TOKEN, 0, 200),
}
BOT: dict[str, tuple[bytes, str, float, int]] = {
    "forged signature": (callback(), "another", 0, 403),
    "replayed old request": (callback(), TOKEN, -3600, 403),
    "type never seen": (callback(msgtype="hologram"), TOKEN, 0, 200),
    "broken JSON": (b'{"msgid": ', TOKEN, 0, 200),
    "another encoding": (UTF16, TOKEN, 0, 200),
    "a list": (b"[]", TOKEN, 0, 200),
    "no sender": (callback(**{"from": {}}), TOKEN, 0, 200),
    "overlong text": (callback(text={"content": "x" * 600_000}), TOKEN, 0, 200),
}


def webhook(door: Door, **settings: Any) -> Any:
    """The account's and the bot's paths."""
    chosen = load_settings(tenant="acme", wechat_allow="*", **settings)
    channels = open_channels(chosen, door.app.engine.table, door.app.engine.objects, _NoStack())
    app = replace(door.app, settings=chosen, engine=replace(door.app.engine, channels=channels))
    return Webhook(WeChatIntake(open_desk(app), door.told.append)).application()


class _NoStack:
    """Nothing is connected to, and so nothing has to be closed."""

    def push_async_callback(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize("name", ACCOUNT)
async def test_an_account_takes_nothing_bad(door: Door, name: str) -> None:
    """Forged, old and too large requests get an error, all others `success`; told once, and nothing is queued."""
    body, token, age, status = ACCOUNT[name]
    served = webhook(door, wechat_app_id="wx0123456789abcdef", wechat_app_secret="s" * 32, wechat_token=TOKEN)
    stamp = str(int(door.world.clock.now() + age))
    query = {"timestamp": stamp, "nonce": "n", "signature": wechat_signature(token, stamp, "n")}
    response = await door.post(served, "/wechat", body, params=query)
    assert (response.status_code, len(door.told), await door.queued()) == (status, 1, 0), door.told
    assert status != 200 or response.content == b"success"


@pytest.mark.parametrize("name", BOT)
async def test_a_wecom_bot_takes_nothing_bad(door: Door, name: str) -> None:
    """Forged and old requests get 403, what cannot be read an empty 200; told once, and nothing is queued."""
    body, token, age, status = BOT[name]
    served = webhook(door, wecom_bot_token=TOKEN, wecom_bot_aes_key=KEY)
    sealed, stamp = Sealer(KEY, "").seal(body), str(int(door.world.clock.now() + age))
    query = {"timestamp": stamp, "nonce": "n", "msg_signature": wechat_signature(token, stamp, "n", sealed)}
    response = await door.post(served, "/wecom", json.dumps({"encrypt": sealed}).encode(), params=query)
    assert (response.status_code, len(door.told), await door.queued()) == (status, 1, 0), door.told
    assert response.content == b""


@pytest.mark.parametrize("body", [BIG, b"", b"{", UTF16, callback(), b'{"encrypt": 7}'])
async def test_a_wecom_bot_refuses_what_is_not_sealed(door: Door, body: bytes) -> None:
    """A request that is not encrypted gets an error whatever it holds, and is told once."""
    served = webhook(door, wecom_bot_token=TOKEN, wecom_bot_aes_key=KEY)
    response = await door.post(served, "/wecom", body, params={"timestamp": "1", "nonce": "n"})
    assert response.status_code == (413 if body is BIG else 403)
    assert (len(door.told), await door.queued()) == (1, 0)


# ------------------------------------------------------------------------------------------------ HTTP API

PATH = "/v1/sessions/ada/messages"
API: dict[str, tuple[str, bytes, Mapping[str, str], int]] = {
    "no key": (PATH, b'{"text": "hello"}', {"authorization": ""}, 401),
    "forged key": (PATH, b'{"text": "hello"}', {"authorization": "Bearer olk_0_0"}, 401),
    "broken JSON": (PATH, b'{"text": ', {}, 400),
    "another encoding": (PATH, b'{"text": "\xff\xfe"}', {}, 400),
    "a list": (PATH, b"[]", {}, 400),
    "unknown field": (PATH, b'{"text": "hello", "tenant": "globex"}', {}, 400),
    "empty text": (PATH, b'{"text": ""}', {}, 400),
    "text is a number": (PATH, b'{"text": 7}', {}, 400),
    "10 MB": (PATH, BIG, {}, 413),
    "overlong key": ("/v1/sessions/" + "a" * 2000 + "/messages", b'{"text": "hello"}', {}, 400),
    "another tenant": ("/v1/sessions/globex:api:ada:default/messages", b'{"text": "hello"}', {}, 404),
    "unknown path": ("/v1/nothing", b"{}", {}, 404),
}


@pytest.mark.parametrize("name", API)
async def test_the_api_takes_nothing_bad(door: Door, name: str) -> None:
    """Each bad request gets its own status and an error that says what is wrong, and nothing is queued."""
    path, body, more, status = API[name]
    app = replace(door.app, settings=load_settings(tenant="acme", http_max_body=1_000_000))
    headers = {"authorization": "Bearer " + "t" * 20, "content-type": "application/json"} | more
    response = await door.post(create_app(app, token="t" * 20), path, body, headers=headers)
    assert (response.status_code, await door.queued()) == (status, 0), response.text
    assert response.json()["error"]["message"]
