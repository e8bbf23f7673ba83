"""The fake WeCom: pushes messages to an AI bot, asks for the answer until it is whole, and takes late ones."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from outlive.testing.scripted_model.http import HttpRequest, HttpResponse, HttpServer
from outlive.testing.wechat.envelope import decrypt, encrypt, encrypt_file, sign
from outlive.testing.wechat.posting import Answered, request

BOT = "bot-1"
MAX_CONTENT = 20480
POLLING_SECONDS = 360.0
URL_SECONDS = 3600.0
FILE_SECONDS = 300.0
ATTEMPTS = 3
BODY_LIMIT = 4 * 1024 * 1024


@dataclass
class Shown:
    """One answer as its reader sees it."""

    stream_id: str
    texts: list[str] = field(default_factory=list)
    """As it grew."""
    is_over: bool = False
    late: list[str] = field(default_factory=list)
    """Messages that came behind the stream."""


class FakeWeCom:
    """Written from https://developer.work.weixin.qq.com/document/path/101031; `async with` serves response URLs."""

    def __init__(
        self,
        *,
        token: str = "fake-bot-token",  # noqa: S107 - nobody's
        aes_key: str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
        now: Callable[[], float] = time.time,
        answer_seconds: float = 5.0,
        poll_seconds: float = 0.2,
    ) -> None:
        """`answer_seconds` is how long it waits for a webhook, `poll_seconds` how often it asks for the answer."""
        self.token, self.aes_key = token, aes_key
        self.now, self.answer_seconds, self.poll_seconds = now, answer_seconds, poll_seconds
        self.webhook = ""
        self.attempts: list[int] = []
        self.shown: dict[str, Shown] = {}
        """Answers by message id."""
        self.late_faults: list[int] = []
        """Error codes of the next late answers."""
        self.files: dict[str, tuple[bytes, float]] = {}
        """What is at the addresses of files, encrypted, and until when."""
        self._urls: dict[str, tuple[str, float]] = {}
        self._count = 0
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

    def callback(
        self, text: str = "", *, sender: str = "ada", chat: str | None = None, **fields: object
    ) -> dict[str, Any]:
        """A message of a person, in private unless a group is named."""
        self._count += 1
        message_id = f"msg-{self._count}"
        self._urls[f"/response/{message_id}"] = message_id, self.now() + URL_SECONDS
        place = {"chatid": chat, "chattype": "group"} if chat else {"chattype": "single"}
        words = {"msgtype": "text", "text": {"content": text}} if text else {}
        return {
            "msgid": message_id,
            "aibotid": BOT,
            **place,
            "from": {"userid": sender},
            "response_url": f"{self.url}/response/{message_id}",
            **words,
            **fields,
        }

    def file(self, content: bytes) -> dict[str, str]:
        """A file that somebody sends, as a message names it."""
        path = f"/file/{len(self.files) + 1}"
        self.files[path] = encrypt_file(self.aes_key, content), self.now() + FILE_SECONDS
        return {"url": self.url + path}

    async def say(self, text: str, *, sender: str = "ada", chat: str | None = None, polls: bool = True) -> Shown:
        """Somebody writes; the answer as it was shown in the end. Without `polls` nobody asks for it again."""
        callback = self.callback(text, sender=sender, chat=chat)
        shown = await self.push(callback)
        while polls and not shown.is_over:
            await asyncio.sleep(self.poll_seconds)
            await self.poll(callback, shown)
        return shown

    async def push(self, callback: Mapping[str, Any]) -> Shown:
        """Up to three tries, until the bot answers."""
        content: dict[str, Any] | None = None
        for _ in range(ATTEMPTS):
            answered = await self.post(callback)
            self.attempts.append(answered.status)
            if answered.status and answered.status < 500:
                content = self.read_answer(answered)
                break
        shown = self.shown.setdefault(str(callback["msgid"]), Shown(""))
        if content is None:
            shown.is_over = True
        else:
            shown.stream_id = content["id"]
            self._show(shown, content)
        return shown

    async def poll(self, callback: Mapping[str, Any], shown: Shown) -> None:
        """Ask how far the answer is."""
        asked = {name: callback[name] for name in ("aibotid", "chatid", "chattype", "from") if name in callback}
        stream = {"msgid": f"poll-{self._count}", "msgtype": "stream", "stream": {"id": shown.stream_id}}
        content = self.read_answer(await self.post({**asked, **stream}))
        if content is not None:
            self._show(shown, content)

    async def post(self, callback: Mapping[str, Any]) -> Answered:
        """One request, sealed."""
        return await request(self.webhook, *self.signed(callback), self.answer_seconds)

    def signed(self, callback: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
        """Query and body of a request."""
        sealed = encrypt(self.aes_key, "", json.dumps(callback))
        return self._query(sealed), json.dumps({"encrypt": sealed}).encode()

    async def check(self, echo: str = "echo-1") -> Answered:
        """What the console does when the webhook is saved."""
        sealed = encrypt(self.aes_key, "", echo)
        return await request(self.webhook, {**self._query(sealed), "echostr": sealed}, None, self.answer_seconds)

    def read_answer(self, answered: Answered) -> dict[str, Any] | None:
        """The stream in an answer; None for an empty one, `ValueError` for what WeCom would not show."""
        if answered.status != 200 or not answered.body:
            return None
        fields = json.loads(answered.body)
        parts = (str(fields["timestamp"]), fields["nonce"], fields["encrypt"])
        if fields["msgsignature"] != sign(self.token, *parts):
            raise ValueError("wrong signature")
        content = json.loads(decrypt(self.aes_key, "", fields["encrypt"]))
        if content["msgtype"] != "stream" or len(content["stream"]["content"].encode()) > MAX_CONTENT:
            raise ValueError("no stream")
        stream: dict[str, Any] = content["stream"]
        return stream

    def _show(self, shown: Shown, stream: Mapping[str, Any]) -> None:
        if stream["id"] != shown.stream_id or shown.is_over:
            raise ValueError("another stream, or one that is over")
        shown.texts.append(stream["content"])
        shown.is_over = bool(stream["finish"])

    def _query(self, sealed: str) -> dict[str, str]:
        stamp, nonce = str(int(self.now())), f"n{self._count}"
        return {"timestamp": stamp, "nonce": nonce, "msg_signature": sign(self.token, stamp, nonce, sealed)}

    # ----------------------------------------------------------------------------------- late answers

    async def _answer(self, asked: HttpRequest) -> HttpResponse:
        if asked.path.startswith("/file/"):
            content, until = self.files.get(asked.path, (b"", 0.0))
            return HttpResponse(200, content) if self.now() < until else HttpResponse(403, b"")
        code = self._late(asked)
        return HttpResponse(200, json.dumps({"errcode": code, "errmsg": "ok"}).encode())

    def _late(self, asked: HttpRequest) -> int:
        if self.late_faults:
            return self.late_faults.pop(0)
        message_id, until = self._urls.get(asked.path, ("", 0.0))
        if not message_id or until < self.now():
            return 60140
        body = json.loads(asked.body)
        if body.get("msgtype") != "markdown" or len(body["markdown"]["content"].encode()) > MAX_CONTENT:
            return 40058
        del self._urls[asked.path]  # it counts once
        self.shown.setdefault(message_id, Shown("")).late.append(body["markdown"]["content"])
        return 0
