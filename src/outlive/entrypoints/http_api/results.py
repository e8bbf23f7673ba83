"""A turn as the API tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from outlive.core.ledger import LedgerLine
from outlive.flows.sessions.read_turn_file import type_of
from outlive.protocols import Approval


@dataclass(frozen=True, slots=True)
class TurnFile:
    """A file of a turn."""

    name: str
    path: str
    """Below the working directory; the turn's `files` route gives the bytes by it."""
    mime: str
    size: int
    """In bytes; 0 where nobody has told."""
    kept: bool
    """Whether the turn has left it there; a version that is no longer kept may have gone with it since."""
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """A committed turn."""

    message_id: str
    session_id: str
    session_key: str
    turn: int
    version: int
    at: float
    sender: str
    text: str
    """What was asked."""
    reply: str
    stop_reason: str
    is_error: bool
    usd: float
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    agent_turns: int
    """Model calls."""
    seconds: float
    """Wall time of the agent."""
    approval: Approval | None
    """The question that is open after this turn."""
    joined: tuple[str, ...]
    """Ids of further messages that this turn answers."""
    attachments: tuple[TurnFile, ...]
    """What came with the message; empty for turns of before this was noted."""
    files: tuple[TurnFile, ...]
    """What went out with the reply."""


def result_of(session_id: str, line: LedgerLine) -> Result:
    """The line without what is the workers' own business."""
    apart: dict[str, Any] = {
        "session_id": session_id,
        "attachments": tuple(
            TurnFile(each.name, each.path, each.mime, each.size, kept=bool(each.digest)) for each in line.attached
        ),
        "files": tuple(
            TurnFile(each.name, each.path, type_of(each.path), each.size, kept=True, caption=each.caption)
            for each in line.files
        ),
    }
    own = {name: getattr(line, name) for name in Result.__dataclass_fields__ if name not in apart}
    return Result(**own | apart)
