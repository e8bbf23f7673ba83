"""What a running turn looks like from outside: its latest text, the tool in progress, and whether it has ended."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

from outlive.core.keys import SessionId
from outlive.core.records import AgentEvent, SessionSeen, TextPart, ToolFinished, ToolStarted, TurnDone
from outlive.errors import Corrupt

LIVE = "live/"
"""Prefix of the records, below a tenant."""
LIVE_TTL = 3600.0
MAX_LIVE_TOOLS = 20
"""Calls that the record tells of."""
MAX_LIVE_ASKED = 2_000
"""Characters of the message."""
MAX_LIVE_CHARACTERS = 32_000
"""Of the text kept in the record: the end of it, which is what is being written; 192 KB at most in JSON."""


@dataclass(frozen=True, slots=True)
class LiveTool:
    """A tool call of the turn."""

    number: int
    """Counted from 1 in this run of the turn."""
    id: str
    """The agent's own for the call."""
    name: str
    summary: str
    revision: int
    """Of the state in which it started, or ended."""
    status: Literal["running", "done", "failed"] = "running"


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
    tools: tuple[LiveTool, ...] = ()
    """The last calls, oldest first."""
    asked: str = ""
    """The beginning of the message that is answered, for whoever comes while it is."""

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
        case ToolStarted(call_id, name, summary):
            told = f"{name}: {summary}" if summary else name
            return replace(newer, tool=told, pieces=1, tools=_with_tool(newer, call_id, name, summary))
        case ToolFinished(call_id, is_error):
            return replace(newer, tool="", tools=_ended_tool(newer, call_id, is_error=is_error))
        case SessionSeen() | TurnDone():
            return state


def _with_tool(state: LiveState, call_id: str, name: str, summary: str) -> tuple[LiveTool, ...]:
    number = state.tools[-1].number + 1 if state.tools else 1
    return (*state.tools, LiveTool(number, call_id, name, summary, state.revision))[-MAX_LIVE_TOOLS:]


def _ended_tool(state: LiveState, call_id: str, *, is_error: bool) -> tuple[LiveTool, ...]:
    status: Literal["done", "failed"] = "failed" if is_error else "done"
    return tuple(
        replace(tool, status=status, revision=state.revision) if tool.id == call_id else tool for tool in state.tools
    )


def ended(state: LiveState, text: str | None, now: float) -> LiveState:
    """The last state: with the committed text, or failed with what there was."""
    newer = replace(state, revision=state.revision + 1, at=now, tool="")
    return replace(newer, failed=True) if text is None else replace(newer, text=text, finished=True)


def live_key(session_id: SessionId) -> str:
    """Where a session's live text lies, below the tenant."""
    return f"{LIVE}{session_id}"


def live_topic(tenant: str, session_key: str) -> str:
    """Under which name the live text of a key's turns is passed on; a listener need not know the session behind it."""
    return f"{tenant}/{LIVE}{session_key}"


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
    """The record back; what a later version has added to it is left out, `Corrupt` names one of another shape."""
    try:
        fields = json.loads(body)
        tools = tuple(LiveTool(**_known(LiveTool, tool)) for tool in fields.get("tools", ()))
        state = LiveState(**_known(LiveState, fields) | {"tools": tools})
        told = (state.text + state.asked + state.message_id, state.revision + state.pieces, state.at + 0.0)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable(name) from error
    if [type(each) for each in told] != [str, int, float] or not all(isinstance(each.revision, int) for each in tools):
        raise _unreadable(name)
    return state


def _known(kind: type[LiveState | LiveTool], fields: dict[str, Any]) -> dict[str, Any]:
    return {name: fields[name] for name in kind.__dataclass_fields__ if name in fields}


def _unreadable(name: str) -> Corrupt:
    return Corrupt(f"record {name} cannot be read.", fix="Upgrade outlive; it is written anew with the next turn.")
