"""The fakes of WeChat and WeCom against a client that others wrote (wechatpy): they are what they stand for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.request import urlopen
from xml.etree import ElementTree as ET

import pytest
from wechatpy import WeChatClient, parse_message
from wechatpy.crypto import WeChatCrypto
from wechatpy.enterprise.crypto import WeChatCrypto as BotCrypto
from wechatpy.exceptions import InvalidAppIdException, InvalidSignatureException, WeChatClientException
from wechatpy.replies import TextReply
from wechatpy.utils import check_signature

from outlive.testing.wechat import FakeWeChat, FakeWeCom
from outlive.testing.wechat.posting import Answered
from tests.wechat.conftest import KEY

NAMES = {"encrypt": "Encrypt", "msgsignature": "MsgSignature", "timestamp": "TimeStamp", "nonce": "Nonce"}
"""What a bot's JSON calls the fields of the account's XML."""


@pytest.fixture
async def fake() -> AsyncIterator[FakeWeChat]:
    """An account in safe mode, to which Ada has written."""
    async with FakeWeChat(aes_key=KEY) as fake:
        fake.message(sender="oAda")
        yield fake


async def test_pushed_messages_are_read(fake: FakeWeChat) -> None:
    """The other client takes signature and encryption of a push, reads its text, and refuses a changed one."""
    query, body = fake.signed(fake.message(Content="你好 <&> ]]>"))
    check_signature(fake.token, query["signature"], query["timestamp"], query["nonce"])
    crypto = WeChatCrypto(fake.token, KEY, fake.app_id)
    signed = (query["msg_signature"], query["timestamp"], query["nonce"])
    message = parse_message(crypto.decrypt_message(body, *signed))
    assert (message.source, message.content) == ("oAda", "你好 <&> ]]>")
    with pytest.raises(InvalidSignatureException):
        crypto.decrypt_message(body, "0" * 40, *signed[1:])
    with pytest.raises(InvalidAppIdException):
        WeChatCrypto(fake.token, KEY, "wx-another").decrypt_message(body, *signed)


async def test_its_replies_are_read(fake: FakeWeChat) -> None:
    """The fake shows a passive reply that the other client sealed."""
    query, body = fake.signed(fake.message(Content="hi"))
    crypto = WeChatCrypto(fake.token, KEY, fake.app_id)
    asked = parse_message(crypto.decrypt_message(body, query["msg_signature"], query["timestamp"], query["nonce"]))
    reply = crypto.encrypt_message(TextReply(content="hello", message=asked), "n1").encode()
    assert fake.read_reply(reply)["Content"] == "hello"


async def test_its_calls_are_answered(fake: FakeWeChat) -> None:
    """Customer-service messages and files go as the other client sends and reads them; refusals carry their codes."""
    fake.media["m1"] = b"\xff\xd8picture"

    def call() -> tuple[bytes, int]:
        asked = {"grant_type": "client_credential", "appid": fake.app_id, "secret": fake.secret}
        with urlopen(f"{fake.url}/cgi-bin/stable_token", json.dumps(asked).encode()) as given:
            client = WeChatClient(fake.app_id, fake.secret, json.load(given)["access_token"])
        client.API_BASE_URL = f"{fake.url}/cgi-bin/"
        client.message.send_text("oAda", "你好")
        with pytest.raises(WeChatClientException) as caught:
            client.message.send_text("oEve", "hi")
        return client.media.download("m1").content, caught.value.errcode

    assert await asyncio.to_thread(call) == (b"\xff\xd8picture", 40003)
    assert fake.texts() == ["你好"]


async def test_a_bots_callbacks_are_read() -> None:
    """The other client opens a callback of the bot's vendor, and the vendor reads an answer that it sealed."""
    async with FakeWeCom() as bot:
        query, body = bot.signed(bot.callback("hi"))
        crypto = BotCrypto(bot.token, bot.aes_key, "")
        signed = (query["msg_signature"], query["timestamp"], query["nonce"])
        sealed = json.loads(body)["encrypt"]
        assert json.loads(crypto.check_signature(*signed, sealed))["text"]["content"] == "hi"
        stream = {"msgtype": "stream", "stream": {"id": "s1", "finish": True, "content": "hello"}}
        read = ET.fromstring(crypto.encrypt_message(json.dumps(stream), "n1", "123"))
        fields = {name: str(read.findtext(xml)) for name, xml in NAMES.items()}
        assert bot.read_answer(Answered(200, json.dumps(fields).encode())) == stream["stream"]
