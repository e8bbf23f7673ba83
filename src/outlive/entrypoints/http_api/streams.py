"""Server-sent events: happenings as a reader gets them, and a stream that ends when it should."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import asdict
from typing import assert_never

from starlette.responses import StreamingResponse

from outlive.core.live import LiveTool
from outlive.core.stream_positions import AskedNews, Position, TextNews, parse_position
from outlive.entrypoints.http_api.callers import Api
from outlive.entrypoints.http_api.faults import Failed, problem, to_json
from outlive.entrypoints.http_api.results import result_of
from outlive.errors import Invalid, OutliveError, RateLimited
from outlive.flows.delivery.follow_session import Committed, Died, Happening, Live, Retrying, Told

PING_LOOKS = 15
"""Looks that found nothing, a second apart, before a comment keeps the connection open."""
MEDIA_TYPE = "text/event-stream"

Happenings = AsyncGenerator[Told | None, None]
Encode = Callable[[Happening, Position], str]


def event(name: str, data: object, position: Position | None = None) -> str:
    """One event; its data is one line of JSON in ASCII."""
    last = f"id: {position}\n" if position else ""
    return f"{last}event: {name}\ndata: {to_json(data)}\n\n"


def encode(happening: Happening, position: Position) -> str:
    """A happening as the API tells it."""
    match happening:
        case Live():
            return _live(happening, position)
        case Retrying(message_id):
            return event("retry", {"message_id": message_id}, position)
        case Committed(session_id, line):
            return event("result", result_of(session_id, line), position)
        case Died(letter):
            message = f"message {letter.message.dedupe_id} was given up: {letter.reason}"
            body = problem("AgentFailed", message, f"Remove the cause, then redrive dead letter {letter.id}.")
            return event("error", {"message_id": letter.message.dedupe_id} | body["error"], position)
        case _:
            assert_never(happening)


def _live(live: Live, position: Position) -> str:
    which = {"message_id": live.message_id}
    match live.news:
        case AskedNews():
            return event("asked", which | asdict(live.news), position)
        case TextNews():
            return event("text", which | asdict(live.news), position)
        case LiveTool():
            return event("tool", which | asdict(live.news), position)
        case _:
            assert_never(live.news)


def last_position(header: str | None) -> Position | None:
    """Where a reader left off; `Invalid` for what is no id of ours."""
    if not header:
        return None
    try:
        return parse_position(header)
    except Invalid as error:
        raise Failed(error, "Last-Event-ID") from error


def streamed(api: Api, happenings: Happenings, encoded: Encode = encode, first: str = "") -> StreamingResponse:
    """The answer; `RateLimited` when there are too many streams already."""
    if api.streams >= api.max_streams:
        raise RateLimited("too many streams are open.", retry_after=5.0, fix="Try again, or raise the limit.")
    headers = {"x-accel-buffering": "no", "cache-control": "no-store"}
    return StreamingResponse(_body(api, happenings, encoded, first), media_type=MEDIA_TYPE, headers=headers)


async def _body(api: Api, happenings: Happenings, encoded: Encode, first: str) -> AsyncIterator[str]:
    """Every happening until the last one, the reader's leave, or the server's end: then `: bye`, and it comes back."""
    with _counted(api):
        yield "retry: 1000\n\n" + first
        quiet = 0
        async with aclosing(happenings):
            try:
                async for told in happenings:
                    quiet = 0 if told else quiet + 1
                    if told is not None:
                        yield encoded(*told)
                    elif quiet % PING_LOOKS == 0:
                        yield ": ping\n\n"
                    if api.closing.is_set():
                        yield ": bye\n\n"
                        return
            except OutliveError as error:
                yield event("error", problem(type(error).__name__, error.message, error.fix)["error"])


@contextmanager
def _counted(api: Api) -> Iterator[None]:
    api.streams += 1
    try:
        yield
    finally:
        api.streams -= 1
