"""The fake Telegram: a Bot API server on loopback, and what people do in their apps."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from outlive.testing.scripted_model.http import HttpRequest, HttpResponse, HttpServer
from outlive.testing.telegram.flood import Flood
from outlive.testing.telegram.forms import Call, read_call
from outlive.testing.telegram.intake import Intake
from outlive.testing.telegram.methods import METHODS
from outlive.testing.telegram.refusals import UNAUTHORIZED, UNKNOWN_METHOD, ApiError
from outlive.testing.telegram.world import LINK_SECONDS, Json, World

TOKEN = "7000000001:fake-token-of-the-fake-telegram"  # noqa: S105 - nobody's
BODY_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True)
class Fault:
    """What is to go wrong."""

    method: str
    error: ApiError
    after_effect: bool = False
    """The method takes effect, and its answer is lost all the same."""


class FakeTelegram:
    """Written from https://core.telegram.org/bots/api; `async with` serves it on a free port of 127.0.0.1."""

    def __init__(
        self,
        *,
        token: str = TOKEN,
        username: str = "outlive_bot",
        now: Callable[[], float] = time.time,
        burst: int = 8,
        link_seconds: float = LINK_SECONDS,
    ) -> None:
        """`now` is its clock, `burst` how many messages a chat takes at once."""
        self.token = token
        self.world = World(int(token.partition(":")[0]), username, now, link_seconds)
        self.intake = Intake(self.world)
        self.calls: list[tuple[Call, int]] = []
        """Every call with the status of its answer, in order."""
        self.is_down = False
        """While it is, every call is answered with 502."""
        self._flood = Flood(now, burst)
        self._faults: list[Fault] = []
        self._server = HttpServer(self._answer, "127.0.0.1", 0, BODY_LIMIT)

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self.url = f"http://127.0.0.1:{await self._server.start()}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, whatever is going on."""
        await self.intake.close()
        await self._server.stop()

    # ------------------------------------------------------------------------------- what people do

    def say(
        self, text: str = "", *, sender: int = 42, name: str = "Ada", chat: int | None = None, **fields: object
    ) -> Json:
        """Somebody writes a message, in private unless a group is named; the update that the bot gets."""
        person = self.world.person(sender, name)
        words = {"text": text} if text else {}
        message = self.world.message(self.world.chats[chat or sender], person, {**words, **fields})
        return self.push({"message": message})

    def push(self, fields: Mapping[str, Any]) -> Json:
        """Any update."""
        update = self.world.update(fields)
        self.intake.arrived()
        return update

    def press(self, message: Json, data: str, *, sender: int = 42) -> Json:
        """Somebody presses a button below a message of the bot."""
        query = {"id": f"query-{self.world.last_update_id + 1}", "chat_instance": str(message["chat"]["id"])}
        self.world.queries.add(query["id"])
        person = self.world.person(sender, "Ada")
        return self.push({"callback_query": {**query, "from": person, "message": message, "data": data}})

    def order(self, method: str, error: ApiError, *, times: int = 1, after_effect: bool = False) -> None:
        """The next calls of a method fail."""
        self._faults += [Fault(method, error, after_effect)] * times

    # ------------------------------------------------------------------------------ what can be seen

    def sent(self, chat: int = 42) -> list[Json]:
        """The bot's messages that stand in a chat, oldest first."""
        return [
            message
            for (where, _), message in sorted(self.world.messages.items())
            if where == chat and message["from"]["id"] == self.world.bot_id
        ]

    def texts(self, chat: int = 42) -> list[str]:
        """Their texts."""
        return [message.get("text", "") for message in self.sent(chat)]

    def called(self, method: str) -> list[Call]:
        """The calls of one method that were answered with 200."""
        return [call for call, status in self.calls if call.method == method and status == 200]

    async def until(self, is_so: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until something is so; `TimeoutError` after that long."""
        async with asyncio.timeout(seconds):
            while not is_so():  # noqa: ASYNC110 - anything may make it so
                await asyncio.sleep(0.02)

    # ------------------------------------------------------------------------------------- serving

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        path = unquote(request.path).removeprefix("/")
        if path.startswith(f"file/bot{self.token}/"):
            return self._download(path.removeprefix(f"file/bot{self.token}/"))
        call = Call(path.rpartition("/")[2], {})
        try:
            if not path.startswith(f"bot{self.token}/"):
                raise UNAUTHORIZED
            call = read_call(call.method, request)
            result = await self._result(call)
        except ApiError as error:
            return self._refused(call, error)
        self.calls.append((call, 200))
        return _json(200, {"ok": True, "result": result})

    def _refused(self, call: Call, error: ApiError) -> HttpResponse:
        self.calls.append((call, error.code))
        body = {"ok": False, "error_code": error.code, "description": error.description}
        return _json(error.code, {**body, "parameters": error.parameters} if error.parameters else body)

    async def _result(self, call: Call) -> object:
        if self.is_down:
            raise ApiError(502, "Bad Gateway")
        fault = next((fault for fault in self._faults if fault.method == call.method), None)
        if fault is not None:
            self._faults.remove(fault)
            if fault.after_effect:
                await self._effect(call)
            raise fault.error
        return await self._effect(call)

    async def _effect(self, call: Call) -> object:
        match call.method:
            case "getUpdates":
                return await self.intake.get_updates(call)
            case "setWebhook":
                return self.intake.set_webhook(call)
            case "deleteWebhook":
                return self.intake.delete_webhook(call)
            case "getWebhookInfo":
                return self.intake.webhook_info()
            case name if name in METHODS:
                return METHODS[name](self.world, self._flood, call)
            case _:
                raise UNKNOWN_METHOD

    def _download(self, path: str) -> HttpResponse:
        data = self.world.linked(path)
        if data is None:
            return _json(404, {"ok": False, "error_code": 404, "description": "Not Found"})
        return HttpResponse(200, data, {"content-type": "application/octet-stream"})


def _json(status: int, body: Mapping[str, object]) -> HttpResponse:
    return HttpResponse(status, json.dumps(body).encode(), {"content-type": "application/json"})
