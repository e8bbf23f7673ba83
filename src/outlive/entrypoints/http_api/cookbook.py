"""The contract of Anthropic's hosting cookbook: its clients work unchanged."""

from __future__ import annotations

import re

from pydantic import BaseModel, Field
from starlette.responses import Response

from outlive.core.messages import Inbound
from outlive.core.stream_positions import Position
from outlive.entrypoints.http_api.callers import CallerHere
from outlive.entrypoints.http_api.faults import Failed
from outlive.entrypoints.http_api.messages import checked
from outlive.entrypoints.http_api.parameters import Session
from outlive.entrypoints.http_api.routes import needs, router
from outlive.entrypoints.http_api.streams import MEDIA_TYPE, event, streamed
from outlive.errors import Invalid
from outlive.flows.accept_message import accept_message
from outlive.flows.delivery.follow_session import Committed, Died, Happening, follow_message

routes = router("hosting cookbook")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")


class Prompt(BaseModel):
    """What to ask."""

    prompt: str = Field(min_length=1)


@routes.post(
    "/sessions/{session:segment}/messages",
    **needs("operator"),
    responses={200: {"description": "Events.", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}, 429: {}},
    response_class=Response,
)
async def post_prompt(caller: CallerHere, session: Session, asked: Prompt) -> Response:
    """Ask, and get the new turn's events: `message` with its reply, then `done`; or `error`."""
    if not _ID.match(session):
        fix = "Use 1 to 64 letters, digits, '_' or '-', starting with a letter or digit."
        raise Failed(Invalid("the session id is not valid.", fix=fix), "session")
    engine = caller.engine
    inbound = Inbound(caller.key(session), engine.new_id(), asked.prompt, engine.clock.now(), caller.who)
    checked(inbound)
    await accept_message(engine.queue, inbound, engine.clock, engine.telemetry)
    return streamed(caller.api, follow_message(caller.api.app.engine, inbound), encode)


def encode(happening: Happening, _position: Position) -> str:
    """As the cookbook's clients read it; live text is not part of that contract."""
    match happening:
        case Committed(session_id, line):
            said = {"type": "assistant", "content": [{"type": "text", "text": line.reply}]}
            result = {
                "session_id": session_id,
                "is_error": line.is_error,
                "num_turns": line.agent_turns,
                "total_cost_usd": line.usd,
                "result": line.reply,
            }
            return event("message", said) + event("done", result)
        case Died(letter):
            return event("error", {"error": letter.reason})
        case _:
            return ""
