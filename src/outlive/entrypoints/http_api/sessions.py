"""Sessions: listed, looked at, their conversation page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from outlive.core.keys import parse_session_id
from outlive.entrypoints.http_api.callers import Caller, CallerHere
from outlive.entrypoints.http_api.faults import Failed, shown
from outlive.entrypoints.http_api.parameters import MAX_NUMBER, After, Limit, Session
from outlive.entrypoints.http_api.results import Result, result_of
from outlive.entrypoints.http_api.routes import needs, router
from outlive.errors import Invalid
from outlive.flows.sessions.filter_sessions import SessionFilter, filter_sessions
from outlive.flows.sessions.inspect_session import SessionDetail, inspect_session, read_conversation
from outlive.flows.sessions.list_sessions import SessionPage

routes = router("sessions")

Before = Annotated[int | None, Query(ge=0, le=MAX_NUMBER, description="Only turns before this one.")]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Some turns, oldest first; a rewind takes none of them away."""

    session_id: str
    turns: tuple[Result, ...]
    before: int | None
    """Give it back for the turns before these; null when the first turn is among them."""


@routes.get("/v1/sessions", **needs("viewer", model=SessionPage))
async def get_sessions(
    caller: CallerHere,
    after: After = "",
    limit: Limit = 50,
    channel: Annotated[str, Query(max_length=128, description="Only of this channel.")] = "",
    user: Annotated[str, Query(max_length=128, description="Only of this chat id.")] = "",
    text: Annotated[str, Query(max_length=200, description="Only with this in key or title.")] = "",
    running: Annotated[bool | None, Query(description="Only those in which a turn runs, or none does.")] = None,
    waiting: Annotated[bool | None, Query(description="Only those that wait for a person, or do not.")] = None,
) -> Response:
    """The tenant's sessions in order of their ids; `after` of the answer gives the next page, null ends them.

    With a filter a page holds `limit` of those that fit, unless it ends after 20,000 sessions that were looked at.
    Sessions whose time is over are left out, so a page may be shorter than `limit` and still not be the last.
    """
    if after:
        try:
            parse_session_id(after)
        except Invalid as error:
            raise Failed(error, "after") from error
    wanted = SessionFilter(channel, user, text, running, waiting)
    return shown(await filter_sessions(caller.engine, caller.stores, wanted, after=after, limit=limit))


@routes.get("/v1/sessions/{session:segment}", **needs("viewer", model=SessionDetail))
async def get_session(caller: CallerHere, session: Session) -> Response:
    """Everything about one session but its content."""
    return shown(await inspect_session(caller.engine, caller.stores, await caller.session(session)))


@routes.get("/v1/sessions/{session:segment}/messages", **needs("viewer", model=Conversation))
async def get_messages(
    caller: CallerHere,
    session: Session,
    before: Before = None,
    limit: Limit = 20,
) -> Response:
    """The conversation, the newest page first, each page oldest turn first."""
    return shown(await conversation(caller, session, before, limit))


async def conversation(caller: Caller, session: str, before: int | None, limit: int) -> Conversation:
    """One page of it."""
    session_id = await caller.session(session)
    page = await read_conversation(caller.engine, caller.stores, session_id, before=before, limit=limit)
    return Conversation(session_id, tuple(result_of(session_id, line) for line in page.turns), page.before)
