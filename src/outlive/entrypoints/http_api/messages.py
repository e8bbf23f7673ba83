"""Messages in, and what becomes of them: as a stream of events, or as one answer."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from outlive.core.keys import SessionKey
from outlive.core.messages import MAX_FILES, Inbound, check_inbound
from outlive.entrypoints.http_api.callers import Caller, CallerHere
from outlive.entrypoints.http_api.faults import Failed, shown
from outlive.entrypoints.http_api.parameters import Session
from outlive.entrypoints.http_api.results import Result, result_of
from outlive.entrypoints.http_api.routes import needs, router
from outlive.entrypoints.http_api.streams import MEDIA_TYPE, event, last_position, streamed
from outlive.errors import AgentFailed, Invalid
from outlive.flows.accept_message import accept_message
from outlive.flows.access.idempotency import claim_message_id
from outlive.flows.delivery.follow_session import Committed, Died, follow_message, follow_session
from outlive.flows.delivery.keep_uploads import Upload, decoded, file_refs, keep_uploads

MAX_WAIT = 3600.0

routes = router("messages")

IdempotencyKey = Annotated[
    str | None, Header(min_length=1, max_length=256, description="Sent twice with one key, a message is answered once.")
]
LastEventId = Annotated[str | None, Header(description="Where a broken stream left off.")]
Accept = Annotated[str, Header(description="`text/event-stream` for events, anything else for one JSON answer.")]
Wait = Annotated[float, Query(ge=0, le=MAX_WAIT, description="Seconds to wait for a JSON answer; 0: not at all.")]


class Attachment(BaseModel):
    """A file that comes with a message; the agent finds it below `inbox/`."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=128)
    mime: str = Field("application/octet-stream", max_length=128)
    data: str = Field(description="Base64.")


class Asked(BaseModel):
    """A message."""

    model_config = ConfigDict(extra="forbid")
    text: str
    sender: str = Field("", description="Who says it; empty: the API key.")
    task_id: str = Field("", description="Your own id for the work, to find it by.")
    files: list[Attachment] = Field(default_factory=list, max_length=MAX_FILES)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The message is queued, durably."""

    message_id: str
    session_key: str
    duplicate: bool
    """The queue had it already; nothing was added."""


STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The turn; or its events as they come: `accepted`, `text`, `tool`, `retry`, `result`, `error`.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
    202: {"model": Accepted, "description": "It is queued; nobody has answered it yet."},
    429: {},
    502: {},
}


@routes.post("/v1/sessions/{session:segment}/messages", **needs("operator", model=Result), responses=STREAMED)
async def post_message(
    caller: CallerHere,
    session: Session,
    asked: Asked,
    wait: Wait = 600.0,
    idempotency_key: IdempotencyKey = None,
    last_event_id: LastEventId = None,
    accept: Accept = "*/*",
) -> Response:
    """Send a message; the session is made when there is none.

    By `Accept` the answer is a stream of events, or JSON once the turn is committed. A stream that breaks is resumed
    by the same request with the same Idempotency-Key and `Last-Event-ID`, or by the session's `events`.
    """
    seen = last_position(last_event_id)
    key = await caller.key_of(session)
    inbound, accepted = await _sent(caller, key, asked, idempotency_key)
    happenings = follow_message(caller.api.app.engine, inbound, seen)
    if wants_events(accept):
        return streamed(caller.api, happenings, first=event("accepted", accepted))
    return await _answer(caller, inbound, accepted, wait)


@routes.get(
    "/v1/sessions/{session:segment}/events",
    **needs("viewer"),
    responses={200: {"description": "Events.", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}, 429: {}},
    response_class=Response,
)
async def get_events(
    caller: CallerHere,
    session: Session,
    message_id: Annotated[str, Query(max_length=256, description="Only this message's, and end with its result.")] = "",
    last_event_id: LastEventId = None,
) -> Response:
    """What happens in a session from now on, or since an event: `asked`, `text`, `tool`, `retry`, `result`, `error`."""
    seen = last_position(last_event_id)
    key = await caller.key_of(session)
    engine = caller.api.app.engine
    if message_id:
        return streamed(caller.api, follow_message(engine, Inbound(key, message_id, "-", 0.0), seen))
    return streamed(caller.api, follow_session(engine, key, seen))


async def _sent(caller: Caller, key: SessionKey, asked: Asked, chosen: str | None) -> tuple[Inbound, Accepted]:
    engine = caller.engine
    uploads = [_uploaded(each) for each in asked.files]
    message_id = chosen if chosen is not None else engine.new_id()
    sent_at = engine.clock.now()
    inbound = Inbound(
        key, message_id, asked.text, sent_at, asked.sender or caller.who, task_id=asked.task_id,
        files=file_refs(key, message_id, uploads),
    )  # fmt: skip
    checked(inbound)
    if chosen is not None:
        await claim_message_id(engine, key, chosen, asked.model_dump_json().encode())
    await keep_uploads(engine, inbound, uploads)
    duplicate = not await accept_message(engine.queue, inbound, engine.clock, engine.telemetry)
    # A repeat may have been answered long ago, so no answer is too old to be looked for.
    followed = inbound if chosen is None else Inbound(key, message_id, asked.text, 0.0)
    return followed, Accepted(message_id, str(key), duplicate)


def _uploaded(file: Attachment) -> Upload:
    try:
        return Upload(file.name, file.mime, decoded(file.name, file.data))
    except Invalid as error:
        raise Failed(error, "files.data") from error


def checked(inbound: Inbound) -> None:
    """`Failed` names the field of a message that cannot be accepted."""
    try:
        check_inbound(inbound)
    except Invalid as error:
        named = error.message.split()[0]
        raise Failed(error, "Idempotency-Key" if named == "message_id" else named) from error


async def _answer(caller: Caller, inbound: Inbound, accepted: Accepted, wait: float) -> Response:
    """The committed turn, or 202 when it is not there in time."""
    if wait == 0:
        return shown(accepted, 202)
    try:
        async with asyncio.timeout(wait), aclosing(follow_message(caller.api.app.engine, inbound)) as happenings:
            async for told in happenings:
                happening = told[0] if told else None
                if isinstance(happening, Committed):
                    return shown(result_of(happening.session_id, happening.line))
                if isinstance(happening, Died):
                    raise AgentFailed(
                        f"message {inbound.message_id} was given up: {happening.letter.reason}",
                        fix=f"Remove the cause, then redrive dead letter {happening.letter.id}.",
                    )
                if caller.api.closing.is_set():
                    break
    except TimeoutError:
        pass
    return shown(accepted, 202)


def wants_events(accept: str) -> bool:
    """Whether the caller asks for a stream."""
    return MEDIA_TYPE in accept.lower()
