"""The fake Slack: Web API and Socket Mode on loopback, and what people do in their apps."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from outlive.testing.scripted_model.http import HttpRequest, HttpResponse, HttpServer
from outlive.testing.slack.delivery import Delivery
from outlive.testing.slack.limits import Limits
from outlive.testing.slack.methods import METHODS
from outlive.testing.slack.refusals import ApiError, bad
from outlive.testing.slack.world import Json, World

TOKEN = "xoxb-fake-token"  # noqa: S105 - nobody's
APP_TOKEN = "xapp-fake-token"  # noqa: S105
SECRET = "fake-signing-secret-of-the-fake-slack"  # noqa: S105
BODY_LIMIT = 64 * 1024 * 1024
NESTED = frozenset({"blocks", "files", "chunks"})
SCOPED_BY_FORM = frozenset({"files.info", "files.getUploadURLExternal"})
"""Methods that read forms only, no JSON."""


@dataclass(frozen=True)
class Fault:
    """What is to go wrong."""

    method: str
    error: ApiError
    after_effect: bool = False
    """The method takes effect, and its answer is lost all the same."""


class FakeSlack:
    """Written from https://docs.slack.dev; `async with` serves it on free ports of 127.0.0.1."""

    def __init__(self, *, now: Callable[[], float] = time.time, burst: int = 8) -> None:
        """`now` is its clock, `burst` how many messages a channel takes at once."""
        self.world = World(now)
        self.delivery = Delivery(now, SECRET)
        self.calls: list[tuple[str, Json, str]] = []
        """Every call with its arguments and its error, or `ok`, in order."""
        self.may_read_files = True
        self._limits = Limits(now, burst)
        self._faults: list[Fault] = []
        self._events = 0
        self._server = HttpServer(self._answer, "127.0.0.1", 0, BODY_LIMIT)

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self.world.url = f"http://127.0.0.1:{await self._server.start()}"
        self.url = f"{self.world.url}/api"
        await self.delivery.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, whatever is going on."""
        await self.delivery.close()
        await self._server.stop()

    # ------------------------------------------------------------------------------- what people do

    def say(self, text: str, *, user: str = "U0ADA", channel: str = "", thread: str = "", **fields: object) -> Json:
        """Somebody writes, in private unless a channel is named; the event that the app gets (a mention makes two)."""
        where = channel or self.world.private(user)
        kind = "im" if self.world.channels[where].get("is_im") else "channel"
        said = {"user": user, "text": text, **({"thread_ts": thread} if thread else {}), **fields}
        message = self.world.post(where, said)
        event = {**message, "channel": where, "channel_type": kind, "event_ts": message["ts"]}
        if kind == "channel" and f"<@{self.world.bot_user}>" in text:
            self.event({**event, "type": "app_mention"})
        return self.event(event)

    def event(self, event: Mapping[str, Any]) -> Json:
        """Any event; the body that the app gets."""
        self._events += 1
        who = {"team_id": self.world.team, "user_id": self.world.bot_user, "is_bot": True}
        body = {
            "type": "event_callback",
            "event_id": f"Ev{self._events:08d}",
            "event_time": int(self.world.now()),
            "team_id": self.world.team,
            "api_app_id": "A0APP",
            "authorizations": [who],
            "event": dict(event),
        }
        self.delivery.push("events_api", body)
        return body

    def press(self, message: Json, action_id: str, *, user: str = "U0ADA", channel: str = "") -> Json:
        """Somebody presses a button below a message of the app."""
        elements = [each for block in message["blocks"] for each in block.get("elements", ())]
        button = next(each for each in elements if each["action_id"] == action_id)
        payload = {
            "type": "block_actions",
            "team": {"id": self.world.team},
            "user": {"id": user, "team_id": self.world.team},
            "channel": {"id": channel or self.world.private(user)},
            "message": message,
            "actions": [{**button, "action_ts": self.world.ts()}],
        }
        self.delivery.push("interactive", payload)
        return payload

    def slash(self, text: str, *, user: str = "U0ADA", channel: str = "") -> Json:
        """Somebody types the slash command."""
        fields = {
            "command": "/outlive",
            "text": text,
            "team_id": self.world.team,
            "channel_id": channel or self.world.private(user),
            "user_id": user,
            "trigger_id": f"trigger-{self.world.ts()}",
            "response_url": f"{self.world.url}/response/{user}",
        }
        self.delivery.push("slash_commands", fields)
        return fields

    def order(self, method: str, error: ApiError, *, times: int = 1, after_effect: bool = False) -> None:
        """The next calls of a method fail."""
        self._faults += [Fault(method, error, after_effect)] * times

    # ------------------------------------------------------------------------------ what can be seen

    def sent(self, channel: str = "D0U0ADA", thread: str | None = None) -> list[Json]:
        """The app's messages that stand in a channel, oldest first, of one thread if it is named."""
        found = [m for (where, _), m in self.world.messages.items() if where == channel and m.get("bot_id")]
        return [m for m in found if thread is None or m.get("thread_ts", "") == thread]

    def texts(self, channel: str = "D0U0ADA") -> list[str]:
        """What they say, Markdown as it was sent."""
        return [shown(message) for message in self.sent(channel)]

    def called(self, method: str) -> list[Json]:
        """The arguments of the calls of one method that succeeded."""
        return [arguments for name, arguments, error in self.calls if name == method and error == "ok"]

    async def until(self, is_so: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until something is so; `TimeoutError` after that long."""
        async with asyncio.timeout(seconds):
            while not is_so():  # noqa: ASYNC110 - anything may make it so
                await asyncio.sleep(0.02)

    # ------------------------------------------------------------------------------------- serving

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        match request.path.strip("/").split("/"):
            case ["api", method]:
                return self._call(method, request)
            case ["files", file_id, *_]:
                return self._download(file_id, request)
            case ["upload", file_id]:
                self.world.data[file_id] = _uploaded(request)
                return HttpResponse(200, b"OK")
            case ["response", user]:
                self.world.ephemeral.append((user, str(json.loads(request.body)["text"])))
                return HttpResponse(200, b"ok")
            case _:
                return HttpResponse(404)

    def _call(self, method: str, request: HttpRequest) -> HttpResponse:
        arguments: Json = {}
        try:
            arguments = _arguments(method, request)
            self._check_token(method, request, arguments)
            answer = self._result(method, arguments)
        except ApiError as error:
            self.calls.append((method, arguments, error.error))
            return _json(error.status, {"ok": False, "error": error.error, **error.more}, error.headers)
        self.calls.append((method, arguments, "ok"))
        return _json(200, {"ok": True, **answer})

    def _check_token(self, method: str, request: HttpRequest, arguments: Json) -> None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ") or arguments.get("token", "")
        if not token:
            raise bad("not_authed")
        wanted = APP_TOKEN if method == "apps.connections.open" else TOKEN
        if token != wanted:
            raise bad("not_allowed_token_type" if token in {TOKEN, APP_TOKEN} else "invalid_auth")

    def _result(self, method: str, arguments: Json) -> Json:
        fault = next((fault for fault in self._faults if fault.method == method), None)
        if fault is not None:
            self._faults.remove(fault)
            if fault.after_effect:
                self._effect(method, arguments)
            raise fault.error
        return self._effect(method, arguments)

    def _effect(self, method: str, arguments: Json) -> Json:
        if method == "apps.connections.open":
            return {"url": self.delivery.open_url()}
        if method not in METHODS:
            raise bad("unknown_method")
        self._limits.check(method, str(arguments.get("channel")))
        return METHODS[method](self.world, arguments)

    def _download(self, file_id: str, request: HttpRequest) -> HttpResponse:
        """Whoever may not read files sees a login page."""
        if not self.may_read_files or request.headers.get("authorization") != f"Bearer {TOKEN}":
            return HttpResponse(200, b"<html>Sign in</html>", {"content-type": "text/html; charset=utf-8"})
        if file_id not in self.world.data:
            return HttpResponse(404)
        return HttpResponse(200, self.world.data[file_id], {"content-type": self.world.files[file_id]["mimetype"]})


def shown(message: Json) -> str:
    """What a message says: its blocks of Markdown, or its text."""
    texts = [block["text"] for block in message.get("blocks") or () if block["type"] == "markdown"]
    return "".join(texts) or str(message["text"])


def _arguments(method: str, request: HttpRequest) -> Json:
    """JSON or a form, where nested arguments are JSON."""
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            return {} if method in SCOPED_BY_FORM else dict(json.loads(request.body or b"{}"))
        form = {**request.query, **dict(parse_qsl(request.body.decode(), keep_blank_values=True))}
        return {name: json.loads(text) if name in NESTED else text for name, text in form.items()}
    except (ValueError, TypeError) as error:
        raise bad("invalid_arguments") from error


def _uploaded(request: HttpRequest) -> bytes:
    """The file in a multipart body, or the body itself."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        return request.body
    boundary = kind.partition("boundary=")[2].strip('"').encode()
    part = request.body.split(b"--" + boundary)[1]
    return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


def _json(status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(status, json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})})
