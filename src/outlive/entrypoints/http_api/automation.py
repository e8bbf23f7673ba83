"""Messages that come by themselves, and channels that share a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from outlive.core.schedules import Schedule
from outlive.entrypoints.http_api.callers import CallerHere
from outlive.entrypoints.http_api.faults import shown
from outlive.entrypoints.http_api.parameters import Session
from outlive.entrypoints.http_api.routes import needs, router
from outlive.flows.delivery.link_sessions import Link, create_link, list_links, redeem_link, remove_link
from outlive.flows.delivery.schedule_messages import add_schedule, list_schedules, remove_schedule

routes = router("schedules and links")


class NewSchedule(BaseModel):
    """A message and when it comes: exactly one of `at`, `every` and `cron`."""

    model_config = ConfigDict(extra="forbid")
    session: str = Field(min_length=1, max_length=1000, description="Session id or session key.")
    text: str = Field(min_length=1)
    at: float | None = Field(None, ge=0, le=2**40, description="Once: epoch seconds.")
    every: float | None = Field(None, gt=0, description="Again and again: seconds.")
    cron: str = Field("", max_length=200, description="Five fields, or @daily and its like.")
    zone: str = Field("UTC", max_length=64, description="Time zone of `cron`, by its IANA name.")


class LinkCode(BaseModel):
    """A code that another channel gave."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(max_length=64)


@dataclass(frozen=True, slots=True)
class Schedules:
    """The tenant's schedules, by id."""

    schedules: tuple[Schedule, ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """It is no more."""

    id: str


@dataclass(frozen=True, slots=True)
class NewLink:
    """A code for another channel: it counts once, until then."""

    code: str
    until: float


@dataclass(frozen=True, slots=True)
class Links:
    """Every session key that points at the session."""

    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Linked:
    """What the key points at now."""

    session_id: str


@routes.get("/v1/schedules", **needs("viewer", model=Schedules))
async def get_schedules(caller: CallerHere) -> Response:
    """The tenant's schedules."""
    return shown(Schedules(tuple(await list_schedules(caller.engine, caller.tenant))))


@routes.post("/v1/schedules", **needs("operator", "schedule.added", model=Schedule), status_code=201)
async def post_schedule(caller: CallerHere, new: NewSchedule) -> Response:
    """Send a message by itself: once, at an interval, or by the clock."""
    key = await caller.key_of(new.session)
    made = await add_schedule(caller.engine, key, new.text, at=new.at, every=new.every, cron=new.cron, zone=new.zone)
    caller.deed["schedule"] = made.id
    return shown(made, 201)


@routes.delete("/v1/schedules/{schedule:segment}", **needs("operator", "schedule.removed", model=Removed))
async def delete_schedule(caller: CallerHere, schedule: Annotated[str, Path(min_length=1)]) -> Response:
    """It fires no more; a message that it has sent stays in the queue."""
    await remove_schedule(caller.engine, caller.tenant, schedule)
    return shown(Removed(schedule))


@routes.get("/v1/sessions/{session:segment}/links", **needs("viewer", model=Links))
async def get_links(caller: CallerHere, session: Session) -> Response:
    """Every session key that points at the session."""
    return shown(Links(tuple(await list_links(caller.engine, await caller.key_of(session)))))


@routes.post("/v1/sessions/{session:segment}/links", **needs("operator", "link.asked", model=NewLink), status_code=201)
async def post_link(caller: CallerHere, session: Session) -> Response:
    """A code that brings another channel of the same person to this session; eight digits, for ten minutes, once."""
    code, until = await create_link(caller.engine, await caller.key_of(session), by=caller.who)
    return shown(NewLink(code, until), 201)


@routes.post("/v1/sessions/{session:segment}/links/redeem", **needs("operator", "link.taken", model=Linked))
async def post_redeem(caller: CallerHere, session: Session, given: LinkCode) -> Response:
    """Point this key at the session of a code."""
    session_id = await redeem_link(caller.engine, await caller.key_of(session), given.code, by=caller.who)
    return shown(Linked(session_id))


@routes.delete("/v1/sessions/{session:segment}/links", **needs("operator", "link.cut", model=Linked))
async def delete_link(caller: CallerHere, session: Session) -> Response:
    """Point a linked key at a session of its own again, a fresh one."""
    return shown(Linked(await remove_link(caller.engine, await caller.key_of(session), by=caller.who)))
