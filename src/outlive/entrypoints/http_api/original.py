"""The state routes of the original design, at their old paths."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from starlette.responses import Response

from outlive.core.state import State
from outlive.entrypoints.http_api.callers import CallerHere
from outlive.entrypoints.http_api.faults import shown
from outlive.entrypoints.http_api.knowledge import Invalidated, cache_of
from outlive.entrypoints.http_api.parameters import Agent, Force, Limit, Session
from outlive.entrypoints.http_api.removal import Erased, erased
from outlive.entrypoints.http_api.routes import needs, router
from outlive.entrypoints.http_api.sessions import Before, Conversation, conversation
from outlive.entrypoints.http_api.tenants import TenantStats, stats_of
from outlive.flows.knowledge.change_state import read_state

routes = router("original state routes")


@routes.get("/state/sessions/{session:segment}", **needs("viewer", model=State))
async def get_original_state(caller: CallerHere, session: Session) -> Response:
    """The state object of a session."""
    return shown(await read_state(caller.engine, caller.stores, await caller.session(session)))


@routes.get("/state/sessions/{session:segment}/conversation", **needs("viewer", model=Conversation))
async def get_original_conversation(
    caller: CallerHere, session: Session, before: Before = None, limit: Limit = 20
) -> Response:
    """The conversation of a session, page by page."""
    return shown(await conversation(caller, session, before, limit))


@routes.delete("/state/sessions/{session:segment}", **needs("admin", "session.erased", model=Erased))
async def delete_original_session(caller: CallerHere, session: Session, force: Force = False) -> Response:  # noqa: FBT002 - a query parameter
    """Remove a session from every tier; 409 while a turn runs in it."""
    return shown(await erased(caller, session, force=force))


@routes.delete("/state/cache/{tool:segment}", **needs("operator", "cache.invalidated", model=Invalidated))
async def delete_original_cache(
    caller: CallerHere, tool: Annotated[str, Path(min_length=1)], agent: Agent = "default"
) -> Response:
    """Forget every kept result of a tool."""
    await cache_of(caller).invalidate(agent, tool)
    return shown(Invalidated("every result"))


@routes.get("/state/stats", **needs("viewer", model=TenantStats))
async def get_original_stats(caller: CallerHere) -> Response:
    """The tenant in numbers."""
    return shown(await stats_of(caller))
