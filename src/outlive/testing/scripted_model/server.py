"""The scripted model as a server: routes, checks, pacing and recording around the pure decision."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from outlive.errors import Invalid
from outlive.testing.scripted_model.answers import Break, Json, Refusal, Reply
from outlive.testing.scripted_model.checks import read_call
from outlive.testing.scripted_model.decision import decide, kind_of
from outlive.testing.scripted_model.faults import Fault, FaultQueue, fault_from
from outlive.testing.scripted_model.http import Disconnect, HttpRequest, HttpResponse, HttpServer
from outlive.testing.scripted_model.record import RecordedRequest, Recorder
from outlive.testing.scripted_model.usage import PrefixCache, count_tokens
from outlive.testing.scripted_model.wire import (
    Piece,
    error_headers,
    error_json,
    message_json,
    models_json,
    stream_pieces,
    whole_pieces,
)

LARGEST_BODY_BYTES = 32 * 1024 * 1024
"""The Messages API's own limit."""
MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")
"""What GET /v1/models lists; unless `models` is given, any other name is answered too."""
NOT_A_KEY = "scripted-model-needs-no-key"
_OTHER_PROVIDERS = (
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
    "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_GATEWAY",
    "CLAUDE_CODE_USE_MANTLE",
    "CLAUDE_CODE_USE_VERTEX",
)

_Route = Callable[[HttpRequest], Awaitable[HttpResponse]]


class ScriptedModel:
    """A server that speaks the Messages API and answers by fixed rules: a stand-in for tests and demos.

    Use as `async with ScriptedModel() as model`, and give `model.env()` to the Claude Agent SDK.

    `delay` and `pace` are seconds before each answer and between its pieces. `models` refuses every other
    model name. `faults` strike first. `record` is a folder for the raw bodies; `limit` is the largest body in
    bytes. Port 0 means a free one.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        delay: float = 0.0,
        pace: float = 0.0,
        models: Iterable[str] | None = None,
        faults: Iterable[Fault] = (),
        record: Path | None = None,
        limit: int = LARGEST_BODY_BYTES,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._http = HttpServer(self._serve, host, port, limit)
        self._limit = limit
        self._host, self._port = host, port
        self._delay, self._pace, self._sleep = delay, pace, sleep
        self._models = None if models is None else tuple(models)
        self._faults = FaultQueue(faults)
        self._given: Counter[str] = Counter()
        self._cache = PrefixCache(clock)
        self._recorder = Recorder(record)

    # -------------------------------------------------------------------------------------- for its users

    async def __aenter__(self) -> Self:
        self._port = await self._http.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.stop()

    @property
    def url(self) -> str:
        """The base URL, for ANTHROPIC_BASE_URL."""
        return f"http://{self._host}:{self._port}"

    def env(self) -> dict[str, str]:
        """The environment that makes the Claude Code CLI, and so the Agent SDK, use this server and nothing else.

        Other providers and credentials that the parent may have set are blanked.
        """
        direct = ",".join(filter(None, (os.environ.get("NO_PROXY"), self._host)))
        return {
            **dict.fromkeys(_OTHER_PROVIDERS, ""),
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": NOT_A_KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "NO_PROXY": direct,
        }

    @property
    def requests(self) -> list[RecordedRequest]:
        """The latest requests, oldest first."""
        return list(self._recorder.requests)

    @property
    def counts(self) -> Counter[str]:
        """How many requests of each kind have arrived, retries included."""
        return Counter(self._recorder.counts)

    async def wait_for(self, count: int, kind: str = "turn") -> None:
        """Returns once `count` requests of `kind` have arrived, for a test that acts in mid-turn."""
        await self._recorder.wait_for(count, kind)

    def order(self, fault: Fault) -> None:
        """Makes the next message request meet `fault`, after those ordered before."""
        self._faults.order(fault)

    # --------------------------------------------------------------------------------------------- routes

    def _routes(self, path: str) -> dict[str, _Route]:
        """What each method does on a path; empty where there is nothing."""
        greeting: dict[str, _Route] = {"GET": self._greet, "HEAD": self._greet}
        routes: dict[str, dict[str, _Route]] = {
            "/": greeting,
            "/api/hello": greeting,
            "/v1/messages": {"POST": self._message},
            "/v1/messages/count_tokens": {"POST": self._count_tokens},
            "/v1/models": {"GET": self._list_models},
            "/scripted/requests": {"GET": self._show_requests},
            "/scripted/faults": {"POST": self._order_fault},
        }
        return routes.get(path, {})

    async def _serve(self, request: HttpRequest) -> HttpResponse:
        methods = self._routes(request.path)
        route = methods.get(request.method)
        if route is None:
            status, problem = (405, "Method Not Allowed") if methods else (404, f"Not found: {request.path}")
            return _refuse(Refusal(status, problem))
        return await route(request)

    async def _greet(self, _request: HttpRequest) -> HttpResponse:
        return _json({"name": "scripted model", "note": "not a language model"})

    async def _message(self, request: HttpRequest) -> HttpResponse:
        body = self._checked(request, counting=False)
        if isinstance(body, Refusal):
            return await self._rejected(request, body)
        recorded = await self._recorder.arrived(request, kind_of(body).value, body)
        decision = decide(body, self._given)
        self._given[decision.counted_as] += 1
        answer = self._faults.strike(decision.answer)
        if isinstance(answer, Refusal):
            await self._recorder.answered(recorded, answer.status)
            return _refuse(answer)
        await self._sleep(self._delay + _reply_of(answer).delay)
        await self._recorder.answered(recorded, 200)
        return self._reply(body, answer)

    async def _count_tokens(self, request: HttpRequest) -> HttpResponse:
        body = self._checked(request, counting=True)
        if isinstance(body, Refusal):
            return await self._rejected(request, body)
        recorded = await self._recorder.arrived(request, "count_tokens", body)
        await self._recorder.answered(recorded, 200)
        return _json({"input_tokens": count_tokens(body)})

    async def _list_models(self, _request: HttpRequest) -> HttpResponse:
        return _json(models_json(self._models or MODELS))

    async def _show_requests(self, request: HttpRequest) -> HttpResponse:
        return _json(self._recorder.to_json(bodies=request.query.get("bodies") == "true"))

    async def _order_fault(self, request: HttpRequest) -> HttpResponse:
        try:
            self.order(fault_from(json.loads(request.body)))
        except (Invalid, ValueError) as error:
            return _refuse(Refusal(400, str(error)))
        return _json({"ordered": True})

    # -------------------------------------------------------------------------------------------- answers

    def _checked(self, request: HttpRequest, *, counting: bool) -> Json | Refusal:
        if request.oversized:
            return Refusal(413, f"Request exceeds the maximum size of {self._limit} bytes")
        return read_call(request.headers, request.body, models=self._models, counting=counting)

    async def _rejected(self, request: HttpRequest, refusal: Refusal) -> HttpResponse:
        recorded = await self._recorder.arrived(request, "rejected", {})
        await self._recorder.answered(recorded, refusal.status)
        return _refuse(refusal)

    def _reply(self, body: Json, answer: Reply | Break) -> HttpResponse:
        reply = _reply_of(answer)
        message = message_json(reply, body["model"], self._cache.charge(body), _new_id)
        if body.get("stream"):
            kind, pieces = "text/event-stream", stream_pieces(message, pace=self._pace, stall=reply.stall)
        else:
            kind, pieces = "application/json", whole_pieces(message, stall=reply.stall)
        parts = self._played(pieces, broken=isinstance(answer, Break))
        return HttpResponse(200, parts, {"content-type": kind, **_identity()})

    async def _played(self, pieces: Sequence[Piece], *, broken: bool) -> AsyncIterator[bytes]:
        """The bytes of `pieces` with their silences; if `broken`, only half of them."""
        for piece in pieces[: len(pieces) // 2] if broken else pieces:
            if isinstance(piece, bytes):
                yield piece
            elif piece:
                await self._sleep(piece)
        if broken:
            raise Disconnect


def _reply_of(answer: Reply | Break) -> Reply:
    return answer.reply if isinstance(answer, Break) else answer


def _json(value: Json) -> HttpResponse:
    return HttpResponse(200, json.dumps(value).encode(), {"content-type": "application/json", **_identity()})


def _refuse(refusal: Refusal) -> HttpResponse:
    identity = _identity()
    body = json.dumps(error_json(refusal, identity["request-id"])).encode()
    headers = {"content-type": "application/json", **identity, **error_headers(refusal)}
    return HttpResponse(refusal.status, body, headers)


def _identity() -> dict[str, str]:
    return {"request-id": _new_id("req_"), "x-scripted-model": "not a language model"}


def _new_id(prefix: str) -> str:
    return f"{prefix}{uuid.uuid4().hex[:24]}"
