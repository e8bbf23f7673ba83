"""The conversation as the agent went through it: what it said, thought and did, turn by turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Path
from starlette.responses import Response

from outlive.core.transcript_steps import Step
from outlive.entrypoints.http_api.callers import CallerHere
from outlive.entrypoints.http_api.faults import shown
from outlive.entrypoints.http_api.parameters import Limit, Session
from outlive.entrypoints.http_api.results import Result, result_of
from outlive.entrypoints.http_api.routes import needs, router
from outlive.entrypoints.http_api.sessions import Before
from outlive.flows.sessions.read_transcript import read_image, read_transcript

routes = router("sessions")

IMAGE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The image.", "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}
}


@dataclass(frozen=True, slots=True)
class TurnStory:
    """A committed turn and what the agent did in it."""

    result: Result
    steps: tuple[Step, ...]
    remembered: bool
    """False for a turn that a rewind took out of the agent's transcript."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """Some turns, oldest first."""

    session_id: str
    turns: tuple[TurnStory, ...]
    before: int | None
    """Give it back for the turns before these; null when the first turn is among them."""
    earlier: tuple[Step, ...]
    """What an imported session has from before its first turn; only where the first turn is."""


@routes.get("/v1/sessions/{session:segment}/transcript", **needs("viewer", model=Transcript))
async def get_transcript(caller: CallerHere, session: Session, before: Before = None, limit: Limit = 20) -> Response:
    """The turns with what the agent did in each: texts, thoughts, tool calls and results, subagents, images."""
    session_id = await caller.session(session)
    page = await read_transcript(caller.engine, caller.stores, session_id, before=before, limit=limit)
    turns = tuple(TurnStory(result_of(session_id, each.line), each.steps, each.remembered) for each in page.turns)
    return shown(Transcript(session_id, turns, page.before, page.earlier))


@routes.get(
    "/v1/sessions/{session:segment}/images/{image:segment}",
    **needs("viewer"),
    responses=IMAGE,
    response_class=Response,
)
async def get_image(
    caller: CallerHere,
    session: Session,
    image: Annotated[str, Path(min_length=1, max_length=128, description="Its id, from a page of the transcript.")],
) -> Response:
    """An image that the agent was sent or has read."""
    kind, content = await read_image(caller.engine, caller.stores, await caller.session(session), image)
    headers = {"content-security-policy": "default-src 'none'; sandbox", "content-disposition": "inline"}
    return Response(content, media_type=kind, headers=headers)
