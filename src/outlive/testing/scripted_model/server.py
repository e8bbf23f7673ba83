"""The scripted model as a server with two faces: routes, checks, pacing and recording around the pure decision."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from outlive.errors import Invalid
from outlive.testing.scripted_model.answers import Answer, Break, Json, Refusal, Reply
from outlive.testing.scripted_model.bedrock import STAND_IN_KEY, BedrockFace
from outlive.testing.scripted_model.decision import Kind, decide, kind_of
from outlive.testing.scripted_model.environments import bedrock_env, messages_env
from outlive.testing.scripted_model.face import Face, MessagesFace
from outlive.testing.scripted_model.faults import Fault, FaultQueue, fault_from
from outlive.testing.scripted_model.http import Disconnect, HttpRequest, HttpResponse, HttpServer
from outlive.testing.scripted_model.inference_profiles import profile_json, profiles_json
from outlive.testing.scripted_model.record import RecordedRequest, Recorder
from outlive.testing.scripted_model.sigv4 import AwsKey
from outlive.testing.scripted_model.usage import PrefixCache, count_tokens
from outlive.testing.scripted_model.wire import Piece, message_json, models_json, stream_pieces, whole_pieces

LARGEST_BODY_BYTES = 32 * 1024 * 1024
"""The Messages API's own limit."""
MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")
"""What GET /v1/models lists; unless `models` is given, any other name is answered too."""
_Route = Callable[[HttpRequest], Awaitable[HttpResponse]]


class ScriptedModel:
    """A server that speaks the Messages API and Bedrock's, and answers by fixed rules: a stand-in for tests and demos.

    Use as `async with ScriptedModel() as model`, and give `model.env()` to the Claude Agent SDK.

    `keys` are the AWS key pairs that may call the Bedrock face; the Messages face takes any key.
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
        keys: Iterable[AwsKey] = (STAND_IN_KEY,),
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
        named = None if models is None else tuple(models)
        self._models = named or MODELS
        self._messages, self._bedrock = MessagesFace(named), BedrockFace(tuple(keys), named)
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
        return messages_env(self.url)

    def bedrock_env(self, key: AwsKey = STAND_IN_KEY, *, region: str = "us-east-1") -> dict[str, str]:
        """The same with the Bedrock face: calls are signed with `key` for `region`."""
        return bedrock_env(self.url, key, region)

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
            "/v1/messages": {"POST": partial(self._message, self._messages)},
            "/v1/messages/count_tokens": {"POST": partial(self._count_tokens, self._messages)},
            "/v1/models": {"GET": self._list_models},
            "/scripted/requests": {"GET": self._show_requests},
            "/scripted/faults": {"POST": self._order_fault},
        }
        return routes.get(path) or self._bedrock_routes(path)

    def _bedrock_routes(self, path: str) -> dict[str, _Route]:
        match path.split("/")[1:]:
            case ["model", _, "invoke" | "invoke-with-response-stream"]:
                return {"POST": partial(self._message, self._bedrock)}
            case ["model", _, "count-tokens"]:
                return {"POST": partial(self._count_tokens, self._bedrock)}
            case ["inference-profiles"]:
                return {"GET": partial(self._profiles, profiles_json)}
            case ["inference-profiles", _]:
                return {"GET": partial(self._profiles, profile_json)}
        return {}

    async def _serve(self, request: HttpRequest) -> HttpResponse:
        methods = self._routes(request.path)
        route = methods.get(request.method)
        if route is None:
            status, problem = (405, "Method Not Allowed") if methods else (404, f"Not found: {request.path}")
            return _refuse(self._messages, Refusal(status, problem))
        return await route(request)

    async def _greet(self, _request: HttpRequest) -> HttpResponse:
        return _json({"name": "scripted model", "note": "not a language model"})

    async def _message(self, face: Face, request: HttpRequest) -> HttpResponse:
        body = self._checked(face, request, counting=False)
        if isinstance(body, Refusal):
            return await self._rejected(face, request, body)
        kind = kind_of(body)
        recorded = await self._recorder.arrived(request, kind.value, body)
        decision = decide(body, self._given)
        self._given[decision.counted_as] += 1
        answer = decision.answer if kind is Kind.PROBE else self._faults.strike(decision.answer)
        refusal = _refusal_of(answer, stream=bool(body.get("stream")))
        if refusal:
            await self._recorder.answered(recorded, refusal.status)
            return _refuse(face, refusal)
        await self._sleep(self._delay + _reply_of(answer).delay)
        await self._recorder.answered(recorded, 200)
        return self._reply(face, body, answer)

    async def _count_tokens(self, face: Face, request: HttpRequest) -> HttpResponse:
        body = self._checked(face, request, counting=True)
        if isinstance(body, Refusal):
            return await self._rejected(face, request, body)
        recorded = await self._recorder.arrived(request, "count_tokens", body)
        await self._recorder.answered(recorded, 200)
        return _json(face.counted(count_tokens(body)))

    async def _profiles(self, listed: Callable[..., Json], request: HttpRequest) -> HttpResponse:
        denied = self._bedrock.denied(request)
        return _refuse(self._bedrock, denied) if denied else _json(listed(request, self._models))

    async def _list_models(self, _request: HttpRequest) -> HttpResponse:
        return _json(models_json(self._models))

    async def _show_requests(self, request: HttpRequest) -> HttpResponse:
        return _json(self._recorder.to_json(bodies=request.query.get("bodies") == "true"))

    async def _order_fault(self, request: HttpRequest) -> HttpResponse:
        try:
            self.order(fault_from(json.loads(request.body)))
        except (Invalid, ValueError) as error:
            return _refuse(self._messages, Refusal(400, str(error)))
        return _json({"ordered": True})

    # -------------------------------------------------------------------------------------------- answers

    def _checked(self, face: Face, request: HttpRequest, *, counting: bool) -> Json | Refusal:
        if request.oversized:
            return Refusal(413, f"Request exceeds the maximum size of {self._limit} bytes")
        return face.read(request, counting=counting)

    async def _rejected(self, face: Face, request: HttpRequest, refusal: Refusal) -> HttpResponse:
        recorded = await self._recorder.arrived(request, "rejected", {})
        await self._recorder.answered(recorded, refusal.status)
        return _refuse(face, refusal)

    def _reply(self, face: Face, body: Json, answer: Answer) -> HttpResponse:
        reply = _reply_of(answer)
        message = message_json(reply, face.model_name(body), self._cache.charge(body), _new_id)
        if body.get("stream"):
            kind = face.stream_type
            pieces = stream_pieces(message, face.encode, pace=self._pace, stall=reply.stall)
        else:
            kind, pieces = "application/json", whole_pieces(message, stall=reply.stall)
        identity = _identity()
        if isinstance(answer, Break):
            told = face.encode_error(answer.error, identity["request-id"]) if answer.error else Disconnect()
            parts = self._played([*pieces[: len(pieces) // 2], told])
        else:
            parts = self._played(pieces)
        return HttpResponse(200, parts, {"content-type": kind, **identity})

    async def _played(self, pieces: Sequence[Piece | Disconnect]) -> AsyncIterator[bytes]:
        """The bytes of `pieces` with their silences, up to where the connection is dropped."""
        for piece in pieces:
            match piece:
                case bytes():
                    yield piece
                case Disconnect():
                    raise piece
                case seconds if seconds:
                    await self._sleep(seconds)


def _refusal_of(answer: Answer, *, stream: bool) -> Refusal | None:
    """The error to answer with; one that belongs into a stream comes at once where there is none."""
    match answer:
        case Refusal():
            return answer
        case Break(error=Refusal() as error) if not stream:
            return error
    return None


def _reply_of(answer: Answer) -> Reply:
    assert not isinstance(answer, Refusal)
    return answer.reply if isinstance(answer, Break) else answer


def _json(value: Json) -> HttpResponse:
    return HttpResponse(200, json.dumps(value).encode(), {"content-type": "application/json", **_identity()})


def _refuse(face: Face, refusal: Refusal) -> HttpResponse:
    return face.refuse(refusal, _identity())


def _identity() -> dict[str, str]:
    return {"request-id": _new_id("req_"), "x-scripted-model": "not a language model"}


def _new_id(prefix: str) -> str:
    return f"{prefix}{uuid.uuid4().hex[:24]}"
