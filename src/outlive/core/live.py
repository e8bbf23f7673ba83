"""What a running turn looks like from outside: its latest text, the tool in progress, and whether it has ended."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from outlive.core.keys import SessionId
from outlive.core.records import AgentEvent, SessionSeen, TextPart, ToolFinished, ToolStarted, TurnDone
from outlive.errors import Corrupt

LIVE = "live/"
"""Prefix of the records, below a tenant."""
LIVE_TTL = 3600.0
MAX_LIVE_CHARACTERS = 32_000
"""Of the text kept in the record: the end of it, which is what is being written; 192 KB at most in JSON."""


@dataclass(frozen=True, slots=True)
class LiveState:
    """A turn at one moment."""

    session_id: SessionId
    session_key: str
    message_id: str
    at: float
    revision: int = 0
    """Rises with every change: a reader that has seen it needs nothing."""
    text: str = ""
    """So far, or the whole reply once it is finished. Not durable before that."""
    tool: str = ""
    """The tool that runs, in one line; empty for none."""
    finished: bool = False
    """It is committed: the text is what is delivered."""
    failed: bool = False
    """It was cut off, and counts for nothing; its message is tried again, or is dead."""
    pieces: int = 0
    """Tools so far: text after a tool is a new paragraph."""

    @property
    def ended(self) -> bool:
        """Nothing more comes of this run."""
        return self.finished or self.failed


class Broadcast(Protocol):
    """Passes messages on to whoever listens at this moment: nothing is kept, and each may be lost."""

    async def publish(self, topic: str, body: bytes) -> None:
        """Tell it to those who listen; `Unavailable` when it cannot be told."""
        ...

    def listen(self, topic: str) -> AsyncGenerator[bytes, None]:
        """What is published from now on, until it is closed; an empty one first, once it listens.

        Raises `Unavailable` when the connection is lost: what was published meanwhile is not heard.
        """
        ...

    async def close(self) -> None:
        """Give back what was opened; idempotent."""
        ...


def advanced(state: LiveState, event: AgentEvent, now: float) -> LiveState:
    """The state after an event of the agent; the same one when nothing is to be seen of it."""
    newer = replace(state, revision=state.revision + 1, at=now)
    match event:
        case TextPart(text):
            gap = "\n\n" if state.pieces and state.text else ""
            return replace(newer, text=state.text + gap + text, pieces=0)
        case ToolStarted(_, name, summary):
            return replace(newer, tool=f"{name}: {summary}" if summary else name, pieces=1)
        case ToolFinished():
            return replace(newer, tool="")
        case SessionSeen() | TurnDone():
            return state


def ended(state: LiveState, text: str | None, now: float) -> LiveState:
    """The last state: with the committed text, or failed with what there was."""
    newer = replace(state, revision=state.revision + 1, at=now, tool="")
    return replace(newer, failed=True) if text is None else replace(newer, text=text, finished=True)


def live_key(session_id: SessionId) -> str:
    """Where a session's live text lies, below the tenant."""
    return f"{LIVE}{session_id}"


def live_topic(tenant: str, session_id: SessionId) -> str:
    """Under which name a session's live text is passed on."""
    return f"{tenant}/{live_key(session_id)}"


def is_newer(state: LiveState, than: LiveState | None) -> bool:
    """Whether a reader who has seen the other one has not seen this."""
    if than is None:
        return True
    if state.message_id == than.message_id and state.at >= than.at and not than.ended:
        return state.revision > than.revision
    return state.at > than.at


def encode_live(state: LiveState) -> bytes:
    """The record as stored, a long text cut to its end."""
    return json.dumps(asdict(replace(state, text=state.text[-MAX_LIVE_CHARACTERS:]))).encode()


def decode_live(body: bytes, name: str) -> LiveState:
    """The record back; `Corrupt` names it."""
    try:
        return LiveState(**json.loads(body))
    except (ValueError, TypeError) as error:
        raise Corrupt(f"record {name} cannot be read.", fix="It is written anew with the next turn.") from error
