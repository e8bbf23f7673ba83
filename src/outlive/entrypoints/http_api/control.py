"""Round the queue: stop, new, status; and the tool calls that wait for a person."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from outlive.core.answers import Answer, Choice, answer_text
from outlive.core.messages import Inbound
from outlive.entrypoints.http_api.callers import CallerHere
from outlive.entrypoints.http_api.faults import shown
from outlive.entrypoints.http_api.messages import Accepted, checked
from outlive.entrypoints.http_api.parameters import Session
from outlive.entrypoints.http_api.routes import needs, router
from outlive.flows.accept_message import accept_message
from outlive.flows.delivery.control_session import SessionStatus, Stopping, new_session, session_status, stop_session
from outlive.flows.sessions.list_approvals import OpenQuestion, list_approvals, open_question

routes = router("control")


@dataclass(frozen=True, slots=True)
class Stopped:
    """What a stop did."""

    stopping: bool
    """False when no turn runs."""
    message: str


@dataclass(frozen=True, slots=True)
class NewSession:
    """What the key points at now."""

    session_id: str
    session_key: str


@dataclass(frozen=True, slots=True)
class Questions:
    """What waits for a person, the one that expires first in front."""

    approvals: tuple[OpenQuestion, ...]


class Verdict(BaseModel):
    """An answer to a tool call that waits."""

    model_config = ConfigDict(extra="forbid")
    choice: Choice
    question: str = Field("", description="Id of the question; empty: the one that is open.")
    note: str = Field("", description="Told to the agent with a refusal.")
    sender: str = Field("", description="Who answers; empty: the one who may.")


@routes.post("/v1/sessions/{session:segment}/stop", **needs("operator", "session.stopped", model=Stopped))
async def post_stop(caller: CallerHere, session: Session) -> Response:
    """Interrupt the turn that runs now and keep it as far as it got; messages that wait are not touched."""
    done = await stop_session(caller.api.app.engine, await caller.key_of(session), by=caller.who)
    return shown(Stopped(done is Stopping.ASKED, done.value))


@routes.post("/v1/sessions/{session:segment}/new", **needs("operator", "session.renewed", model=NewSession))
async def post_new(caller: CallerHere, session: Session) -> Response:
    """Point the key at a fresh session now; a turn that runs finishes in the old one."""
    key = await caller.key_of(session)
    session_id = await new_session(caller.engine, key)
    caller.deed["session_id"] = session_id
    return shown(NewSession(session_id, str(key)))


@routes.get("/v1/sessions/{session:segment}/status", **needs("viewer", model=SessionStatus))
async def get_status(caller: CallerHere, session: Session) -> Response:
    """Version, turns, cost, whether a turn runs, what waits."""
    return shown(await session_status(caller.engine, await caller.key_of(session)))


@routes.get("/v1/approvals", **needs("viewer", model=Questions))
async def get_approvals(caller: CallerHere) -> Response:
    """The tool calls of all sessions that wait for a person."""
    return shown(Questions(tuple(await list_approvals(caller.engine, caller.stores))))


@routes.get("/v1/sessions/{session:segment}/approval", **needs("viewer", model=OpenQuestion))
async def get_approval(caller: CallerHere, session: Session) -> Response:
    """The tool call of one session that waits."""
    return shown(await open_question(caller.engine, caller.stores, await caller.session(session)))


@routes.post(
    "/v1/sessions/{session:segment}/approval", **needs("operator", "approval.answered", model=Accepted), status_code=202
)
async def post_approval(caller: CallerHere, session: Session, verdict: Verdict) -> Response:
    """Answer it: queued like a message, whose events can be followed."""
    found = await open_question(caller.engine, caller.stores, await caller.session(session))
    answer = Answer(verdict.question or found.approval.id, verdict.choice, verdict.note)
    engine, key = caller.engine, caller.key(found.key)
    sender = verdict.sender or found.approval.sender
    inbound = Inbound(key, engine.new_id(), answer_text(answer), engine.clock.now(), sender, answer)
    checked(inbound)
    duplicate = not await accept_message(engine.queue, inbound, engine.clock, engine.telemetry)
    caller.deed.update(choice=verdict.choice, session_key=found.key, sender=sender)
    return shown(Accepted(inbound.message_id, str(key), duplicate), 202)
