"""The fake official-account platform: its API on loopback, and people who write to the account."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import unescape
from types import TracebackType
from typing import Any, Self

from outlive.testing.scripted_model.http import HttpRequest, HttpResponse, HttpServer
from outlive.testing.wechat.envelope import decrypt, encrypt, sign
from outlive.testing.wechat.posting import Answered, request

ACCOUNT = "gh_0123456789ab"
TOKEN_SECONDS = 7200
MAX_TEXT = 2048
WINDOW_SECONDS = 48 * 3600.0
MAX_ANSWERS = 20
"""Customer-service messages until the person writes again."""
ATTEMPTS = 3
BODY_LIMIT = 4 * 1024 * 1024


@dataclass
class Person:
    """Somebody who follows the account."""

    heard: list[tuple[str, str]] = field(default_factory=list)
    """What they were sent: `passive` or `service`, and the text."""
    wrote_at: float = 0.0
    answers_left: int = 0


class FakeWeChat:
    """Written from https://developers.weixin.qq.com/doc/offiaccount; `async with` serves it on a free port."""

    def __init__(
        self,
        *,
        app_id: str = "wx0123456789abcdef",
        secret: str = "fake-secret",  # noqa: S107 - nobody's
        token: str = "fake-token",  # noqa: S107
        aes_key: str = "",
        now: Callable[[], float] = time.time,
        answer_seconds: float = 5.0,
    ) -> None:
        """With `aes_key` it is in safe mode. `answer_seconds` is how long it waits for a webhook."""
        self.app_id, self.secret, self.token, self.aes_key = app_id, secret, token, aes_key
        self.now, self.answer_seconds = now, answer_seconds
        self.webhook = ""
        self.people: dict[str, Person] = {}
        self.attempts: list[int] = []
        """Statuses of the webhook's answers, 0 for none in time."""
        self.calls: list[tuple[str, int]] = []
        """API calls with their error codes."""
        self.faults: list[tuple[str, int]] = []
        """Path and code of API calls that are to fail, each once."""
        self.media: dict[str, bytes] = {}
        self.is_verified = True
        """An account that is not may send no customer-service messages."""
        self._tokens: dict[str, float] = {}
        self._message_id = 23_000_000_000_000_000
        self._server = HttpServer(self._answer, "127.0.0.1", 0, BODY_LIMIT)

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self.url = f"http://127.0.0.1:{await self._server.start()}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, whatever is going on."""
        await self._server.stop()

    # ------------------------------------------------------------------------------- what people do

    def message(self, kind: str = "text", *, sender: str = "oAda", **fields: object) -> dict[str, object]:
        """A message of a person, to be pushed once or more often."""
        self._message_id += 1
        person = self.people.setdefault(sender, Person())
        person.wrote_at, person.answers_left = self.now(), MAX_ANSWERS
        names = {"ToUserName": ACCOUNT, "FromUserName": sender, "CreateTime": int(self.now()), "MsgType": kind}
        return {**names, **fields, **({} if kind == "event" else {"MsgId": self._message_id})}

    async def say(self, text: str, *, sender: str = "oAda") -> Answered:
        """Somebody writes, and the platform pushes it as it does."""
        return await self.push(self.message(sender=sender, Content=text))

    async def push(self, message: Mapping[str, object]) -> Answered:
        """Up to three tries; the next one only when no answer came in time, or the webhook failed."""
        answered = Answered(0)
        for _ in range(ATTEMPTS):
            answered = await request(self.webhook, *self.signed(message), self.answer_seconds)
            self.attempts.append(answered.status)
            if answered.status and answered.status < 500:
                break
        if answered.status == 200 and answered.body not in {b"", b"success"}:
            said = self.read_reply(answered.body)
            self.people[said["ToUserName"]].heard.append(("passive", said["Content"]))
        return answered

    def signed(self, message: Mapping[str, object]) -> tuple[dict[str, str], bytes]:
        """Query and body of one push."""
        plain = xml_of(message)
        stamp, nonce = str(int(self.now())), str(self._message_id % 10**9)
        query = {"timestamp": stamp, "nonce": nonce, "signature": sign(self.token, stamp, nonce)}
        if not self.aes_key:
            return query, plain.encode()
        sealed = encrypt(self.aes_key, self.app_id, plain)
        query |= {"encrypt_type": "aes", "msg_signature": sign(self.token, stamp, nonce, sealed)}
        return query, xml_of({"ToUserName": ACCOUNT, "Encrypt": sealed}).encode()

    async def check(self, echo: str = "echo-1") -> Answered:
        """What the console does when the webhook is saved."""
        stamp, nonce = str(int(self.now())), "n1"
        query = {"timestamp": stamp, "nonce": nonce, "signature": sign(self.token, stamp, nonce), "echostr": echo}
        return await request(self.webhook, query, None, self.answer_seconds)

    def read_reply(self, body: bytes) -> dict[str, str]:
        """A passive reply; `ValueError` for one that the platform would not show."""
        fields = fields_of(body.decode())
        if "Encrypt" in fields:
            parts = (fields["TimeStamp"], fields["Nonce"], fields["Encrypt"])
            if fields["MsgSignature"] != sign(self.token, *parts):
                raise ValueError("wrong signature")
            fields = fields_of(decrypt(self.aes_key, self.app_id, fields["Encrypt"]))
        if fields["MsgType"] != "text" or fields["FromUserName"] != ACCOUNT or not fields["CreateTime"].isdigit():
            raise ValueError("no reply")
        return fields

    # ------------------------------------------------------------------------------ what can be seen

    def texts(self, sender: str = "oAda") -> list[str]:
        """What a person was sent, oldest first."""
        return [text for _, text in self.people[sender].heard] if sender in self.people else []

    def expire_tokens(self) -> None:
        """Every token so far has run out."""
        self._tokens = dict.fromkeys(self._tokens, 0.0)

    async def until(self, is_so: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until something is so; `TimeoutError` after that long."""
        async with asyncio.timeout(seconds):
            while not is_so():  # noqa: ASYNC110 - anything may make it so
                await asyncio.sleep(0.02)

    # ------------------------------------------------------------------------------------------ the API

    async def _answer(self, asked: HttpRequest) -> HttpResponse:
        path = asked.path.removeprefix("/cgi-bin/")
        code, answer = self._result(path, asked)
        self.calls.append((path, code))
        if isinstance(answer, bytes):
            return HttpResponse(200, answer, {"content-type": "image/jpeg"})
        told = {"errcode": code, "errmsg": "fault"} if code else answer
        return HttpResponse(200, json.dumps(told).encode(), {"content-type": "application/json; encoding=utf-8"})

    def _result(self, path: str, asked: HttpRequest) -> tuple[int, dict[str, object] | bytes]:
        fault = next((fault for fault in self.faults if fault[0] == path), None)
        if fault is not None:
            self.faults.remove(fault)
            return fault[1], {}
        if path == "stable_token":
            return self._give_token(json.loads(asked.body))
        until = self._tokens.get(asked.query.get("access_token", ""))
        if until is None or until <= self.now():
            return (40001 if until is None else 42001), {}
        return self._called(path, asked)

    def _called(self, path: str, asked: HttpRequest) -> tuple[int, dict[str, object] | bytes]:
        match path:
            case "message/custom/send":
                return self._send(json.loads(asked.body)), {"errcode": 0, "errmsg": "ok"}
            case "media/get" if asked.query.get("media_id") in self.media:
                return 0, self.media[asked.query["media_id"]]
            case "media/get":
                return 40007, {}
            case _:
                return 40066, {}

    def _give_token(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, object]]:
        """The same token to everybody, until its last five minutes or unless another is forced."""
        if asked.get("appid") != self.app_id:
            return 40013, {}
        if asked.get("secret") != self.secret:
            return 40125, {}
        newest = next(reversed(self._tokens), "")
        if asked.get("force_refresh") or self._tokens.get(newest, 0.0) - 300 <= self.now():
            newest = f"token-{len(self._tokens) + 1}"
            self._tokens[newest] = self.now() + TOKEN_SECONDS
        return 0, {"access_token": newest, "expires_in": int(self._tokens[newest] - self.now())}

    def _send(self, asked: Mapping[str, Any]) -> int:
        person, text = self.people.get(asked.get("touser", "")), asked["text"]["content"]
        if person is None:
            return 40003
        refusals = {
            48001: not self.is_verified,
            45015: self.now() - person.wrote_at > WINDOW_SECONDS,
            45047: not person.answers_left,
            44004: not text,
            45002: len(text.encode()) > MAX_TEXT,
        }
        if code := next((code for code, holds in refusals.items() if holds), 0):
            return code
        person.answers_left -= 1
        person.heard.append(("service", text))
        return 0


def xml_of(fields: Mapping[str, object]) -> str:
    """A message as the platform writes it: texts in CDATA, numbers bare."""
    return f"<xml>{''.join(f'<{name}>{_value(value)}</{name}>' for name, value in fields.items())}</xml>"


def _value(value: object) -> str:
    if isinstance(value, str):
        return "<![CDATA[" + value.replace("]]>", "]]]]><![CDATA[>") + "]]>"
    return str(value)


def fields_of(text: str) -> dict[str, str]:
    """The fields of a flat message, text escaped or in CDATA."""
    found = re.findall(r"<(\w+)>(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))</\1>", text, re.DOTALL)
    return {name: cdata or unescape(plain) for name, cdata, plain in found}
