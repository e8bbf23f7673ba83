"""What agents know: the state of sessions, preferences of users, kept tool results, tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from outlive.core.json_paths import shown as pointer
from outlive.core.preferences import Preferences
from outlive.core.state import Change, State
from outlive.core.tasks import Task
from outlive.entrypoints.http_api.callers import Caller, CallerHere
from outlive.entrypoints.http_api.faults import shown
from outlive.entrypoints.http_api.parameters import MAX_NUMBER, After, Agent, Limit, Session
from outlive.entrypoints.http_api.routes import needs, router
from outlive.flows.knowledge.change_state import patch_state, read_state, state_history
from outlive.flows.knowledge.preferences import erase_preferences, patch_preferences, read_preferences
from outlive.flows.knowledge.tool_cache import Stats, ToolCache
from outlive.flows.sessions.find_tasks import TaskPage, find_task, list_tasks

routes = router("knowledge")

WAIT = 5.0
"""Seconds that a patch waits for a running turn."""
User = Annotated[str, Path(min_length=1, description="A message's sender, or its chat id.")]
Tool = Annotated[str, Path(min_length=1, description="The tool's name, `SERVER/TOOL` for one of an MCP server.")]
Expected = Annotated[int | None, Field(ge=0, le=MAX_NUMBER, description="The version that the patch was made for.")]


class StatePatch(BaseModel):
    """A change of a session's state."""

    model_config = ConfigDict(extra="forbid")
    patch: dict[str, Any] | list[dict[str, Any]] = Field(
        description="An object is a JSON Merge Patch (RFC 7396), a list is a JSON Patch (RFC 6902)."
    )
    expected: Expected = None


class PreferencesPatch(BaseModel):
    """A change of a user's preferences."""

    model_config = ConfigDict(extra="forbid")
    patch: dict[str, Any] = Field(description="A JSON Merge Patch.")
    expected: Expected = None


class Invalidation(BaseModel):
    """Which results to forget."""

    model_config = ConfigDict(extra="forbid")
    parameters: dict[str, Any] | None = Field(None, description="Of one call; null: every result of the tool.")


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One change, with JSON Pointers."""

    version: int
    at: float
    by: str
    put: dict[str, Any]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """How a state came about, oldest change first."""

    changes: tuple[ChangeLine, ...]


@dataclass(frozen=True, slots=True)
class ErasedRecords:
    """How many records are gone."""

    records: int


@dataclass(frozen=True, slots=True)
class Invalidated:
    """What was forgotten."""

    invalidated: str


@routes.get("/v1/sessions/{session:segment}/state", **needs("viewer", model=State))
async def get_state(
    caller: CallerHere,
    session: Session,
    version: Annotated[int | None, Query(ge=0, le=MAX_NUMBER, description="As it was at this version.")] = None,
) -> Response:
    """The state object of a session."""
    return shown(await read_state(caller.engine, caller.stores, await caller.session(session), version=version))


@routes.patch("/v1/sessions/{session:segment}/state", **needs("operator", "state.patched", model=State))
async def patch_session_state(caller: CallerHere, session: Session, change: StatePatch) -> Response:
    """Change it, as a version of its own; changes since `expected` are merged where the two do not touch."""
    state = await patch_state(
        caller.engine,
        caller.stores,
        await caller.session(session),
        change.patch,
        by=caller.who,
        expected=change.expected,
        wait_seconds=WAIT,
    )
    caller.deed["version"] = str(state.version)
    return shown(state)


@routes.get("/v1/sessions/{session:segment}/state/history", **needs("viewer", model=Changes))
async def get_state_history(
    caller: CallerHere,
    session: Session,
    after: Annotated[int, Query(ge=0, le=MAX_NUMBER, description="Only changes above this version.")] = 0,
    limit: Limit = 100,
) -> Response:
    """How the state came about."""
    session_id = await caller.session(session)
    found = await state_history(caller.engine, caller.stores, session_id, after=after, limit=limit)
    return shown(Changes(tuple(_line(change) for change in found)))


def _line(change: Change) -> ChangeLine:
    puts = {pointer(path): value for path, value in change.puts}
    return ChangeLine(change.version, change.at, change.by, puts, tuple(pointer(path) for path in change.removes))


@routes.get("/v1/preferences/{user:segment}", **needs("viewer", model=Preferences))
async def get_preferences(caller: CallerHere, user: User, agent: Agent = "default") -> Response:
    """What a user told an agent about how they like things."""
    return shown(await read_preferences(caller.engine, caller.stores, user, agent))


@routes.patch("/v1/preferences/{user:segment}", **needs("operator", "preferences.patched", model=Preferences))
async def patch_user_preferences(
    caller: CallerHere, user: User, change: PreferencesPatch, agent: Agent = "default"
) -> Response:
    """Change a user's preferences for an agent."""
    done = await patch_preferences(caller.engine, caller.stores, user, agent, change.patch, expected=change.expected)
    return shown(done)


@routes.delete("/v1/preferences/{user:segment}", **needs("admin", "preferences.erased", model=ErasedRecords))
async def delete_preferences(caller: CallerHere, user: User) -> Response:
    """Remove what every agent keeps about a user."""
    return shown(ErasedRecords(await erase_preferences(caller.engine, caller.stores, user)))


def cache_of(caller: Caller) -> ToolCache:
    """The tenant's kept tool results."""
    return ToolCache(caller.stores, caller.engine.clock)


@routes.get("/v1/cache/{tool:segment}", **needs("viewer", model=Stats))
async def get_cache(caller: CallerHere, tool: Tool, agent: Agent = "default") -> Response:
    """How many results of a tool are kept, and how often they were used."""
    return shown(await cache_of(caller).stats(agent, tool))


@routes.post("/v1/cache/{tool:segment}/invalidate", **needs("operator", "cache.invalidated", model=Invalidated))
async def post_invalidate(caller: CallerHere, tool: Tool, which: Invalidation, agent: Agent = "default") -> Response:
    """Forget every kept result of a tool, or the one for these parameters."""
    await cache_of(caller).invalidate(agent, tool, which.parameters)
    return shown(Invalidated("every result" if which.parameters is None else "the result for these parameters"))


@routes.get("/v1/tasks", **needs("viewer", model=TaskPage))
async def get_tasks(caller: CallerHere, after: After = "", limit: Limit = 50) -> Response:
    """The tasks, by their ids; a page may be shorter than `limit` and still not be the last."""
    return shown(await list_tasks(caller.engine, caller.stores, after=after, limit=limit))


@routes.get("/v1/tasks/{task:segment}", **needs("viewer", model=Task))
async def get_task(caller: CallerHere, task: Annotated[str, Path(min_length=1)]) -> Response:
    """A task: its session, its state, its latest message."""
    return shown(await find_task(caller.engine, caller.stores, task))
