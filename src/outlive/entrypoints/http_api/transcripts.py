"""The conversation as the agent went through it: what it said, thought and did, turn by turn, and the turns' files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Path
from starlette.responses import Response

from outlive.core.transcript_steps import IMAGE_TYPES, Step
from outlive.entrypoints.http_api.callers import CallerHere
from outlive.entrypoints.http_api.faults import shown
from outlive.entrypoints.http_api.parameters import MAX_NUMBER, Limit, Session
from outlive.entrypoints.http_api.results import Result, result_of
from outlive.entrypoints.http_api.routes import needs, router
from outlive.entrypoints.http_api.sessions import Before
from outlive.flows.sessions.read_transcript import read_image, read_transcript
from outlive.flows.sessions.read_turn_file import UNKNOWN, read_turn_file

routes = router("sessions")

HARMLESS = {"content-security-policy": "default-src 'none'; sandbox"}
IMAGE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The image.", "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}
}


FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file; an image as what it is, anything else as bytes to be saved.",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (UNKNOWN, "image/*")},
    }
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
    return Response(content, media_type=kind, headers=HARMLESS | {"content-disposition": "inline"})


@routes.get(
    "/v1/sessions/{session:segment}/turns/{turn}/files/{file:segment}",
    **needs("viewer"),
    responses=FILE,
    response_class=Response,
)
async def get_turn_file(
    caller: CallerHere,
    session: Session,
    turn: Annotated[int, Path(ge=0, le=MAX_NUMBER, description="The turn.")],
    file: Annotated[str, Path(min_length=1, max_length=4096, description="Its `path`, as one encoded segment.")],
) -> Response:
    """A file that came with a turn's message (`attachments`) or went out with its reply (`files`)."""
    session_id = await caller.session(session)
    kind, content = await read_turn_file(caller.engine, caller.stores, session_id, turn, file)
    # what a stranger has sent is never a page of this host: it is shown where it is an image, and saved otherwise
    shows = kind in IMAGE_TYPES
    where = "inline" if shows else "attachment"
    name = quote(file.rpartition("/")[2], safe="")
    headers = HARMLESS | {"content-disposition": f"{where}; filename*=UTF-8''{name}"}
    return Response(content, media_type=kind if shows else UNKNOWN, headers=headers)
