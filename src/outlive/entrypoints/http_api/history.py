"""Versions of a session: listed, compared, copied, taken back; and how its last turn went."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from outlive.core.kept_traces import KeptTrace
from outlive.entrypoints.http_api.callers import CallerHere
from outlive.entrypoints.http_api.faults import shown
from outlive.entrypoints.http_api.parameters import MAX_NUMBER, Limit, Session
from outlive.entrypoints.http_api.routes import needs, router
from outlive.flows.sessions.diff_versions import VersionDiff, diff_versions
from outlive.flows.sessions.fork_session import Forked, fork_session
from outlive.flows.sessions.list_versions import VersionPage, list_versions
from outlive.flows.sessions.rewind_session import Rewound, rewind_session
from outlive.flows.turn.keep_trace import read_trace

routes = router("history")

Version = Annotated[int, Query(ge=0, le=MAX_NUMBER)]


class Fork(BaseModel):
    """What to copy, and under which key."""

    model_config = ConfigDict(extra="forbid")
    version: int | None = Field(None, ge=0, le=MAX_NUMBER, description="Null: the newest.")
    key: str | None = Field(None, max_length=1000, description="Null: the source's, with a thread of its own.")


class Rewind(BaseModel):
    """Where to go back to."""

    model_config = ConfigDict(extra="forbid")
    version: int = Field(ge=0, le=MAX_NUMBER)
    files_only: bool = Field(default=False, description="Only the working directory; the conversation stays as it is.")
    salvage: bool = Field(default=False, description="Go on though newer versions are damaged.")


@routes.get("/v1/sessions/{session:segment}/versions", **needs("viewer", model=VersionPage))
async def get_versions(
    caller: CallerHere,
    session: Session,
    before: Annotated[int | None, Query(ge=0, le=MAX_NUMBER, description="Only versions below this one.")] = None,
    limit: Limit = 20,
) -> Response:
    """The kept versions, the newest first."""
    session_id = await caller.session(session)
    return shown(await list_versions(caller.engine, caller.stores, session_id, before=before, limit=limit))


@routes.get("/v1/sessions/{session:segment}/diff", **needs("viewer", model=VersionDiff))
async def get_diff(
    caller: CallerHere, session: Session, older: Version, newer: Version, *, text: bool = False
) -> Response:
    """Every path that is not the same in both versions; with `text` line by line, where a file is small text."""
    session_id = await caller.session(session)
    return shown(await diff_versions(caller.engine, caller.stores, session_id, older, newer, text=text))


@routes.post("/v1/sessions/{session:segment}/fork", **needs("operator", "session.forked", model=Forked))
async def post_fork(caller: CallerHere, session: Session, fork: Fork) -> Response:
    """Copy a version into a new session."""
    session_id = await caller.session(session)
    key = caller.key(fork.key) if fork.key is not None else None
    done = await fork_session(caller.engine, caller.stores, session_id, version=fork.version, key=key)
    caller.deed.update(version=str(done.source_version), fork=done.session_id)
    return shown(done)


@routes.post("/v1/sessions/{session:segment}/rewind", **needs("operator", "session.rewound", model=Rewound))
async def post_rewind(caller: CallerHere, session: Session, rewind: Rewind) -> Response:
    """Make an older version the newest, as a version of its own: it can be undone by another rewind."""
    session_id = await caller.session(session)
    done = await rewind_session(
        caller.engine, caller.stores, session_id, rewind.version, salvage=rewind.salvage, files_only=rewind.files_only
    )
    caller.deed.update(to=str(done.to), before=str(done.before), after=str(done.after))
    return shown(done)


@routes.get("/v1/sessions/{session:segment}/trace", **needs("viewer", model=KeptTrace))
async def get_trace(caller: CallerHere, session: Session) -> Response:
    """The steps and times of the last turn, where traces are kept (`OUTLIVE_TRACE`)."""
    return shown(await read_trace(caller.engine, caller.stores, await caller.session(session)))
