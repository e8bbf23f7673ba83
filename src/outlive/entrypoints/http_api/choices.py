"""What is chosen for one session in place of the settings: its model, and what a second message does."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from outlive.core.session_options import SessionOptions
from outlive.entrypoints.http_api.callers import CallerHere
from outlive.entrypoints.http_api.faults import shown
from outlive.entrypoints.http_api.parameters import Session
from outlive.entrypoints.http_api.routes import needs, router
from outlive.flows.sessions.change_options import change_options, read_options

routes = router("sessions")


class Choices(BaseModel):
    """What to choose; what is left out stays, `default` takes a choice back."""

    model_config = ConfigDict(extra="forbid")
    model: str | None = Field(None, max_length=200, description="One of OUTLIVE_MODELS.")
    while_busy: str | None = Field(None, max_length=20, description="`queue`, `collect`, `steer` or `interrupt`.")


@routes.get("/v1/sessions/{session:segment}/options", **needs("viewer", model=SessionOptions))
async def get_options(caller: CallerHere, session: Session) -> Response:
    """The session's choices; empty where it goes by the settings."""
    return shown(await read_options(caller.engine, await caller.key_of(session)))


@routes.patch("/v1/sessions/{session:segment}/options", **needs("operator", "session.options", model=SessionOptions))
async def patch_options(caller: CallerHere, session: Session, choices: Choices) -> Response:
    """Choose, from the next turn on; 409 while a turn runs."""
    key = await caller.key_of(session)
    caller.deed.update({name: value for name, value in choices.model_dump().items() if value is not None})
    return shown(await change_options(caller.engine, key, model=choices.model, while_busy=choices.while_busy))
