"""A turn as the API tells of it."""

from __future__ import annotations

from dataclasses import dataclass

from outlive.core.ledger import LedgerLine
from outlive.protocols import Approval


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


def result_of(session_id: str, line: LedgerLine) -> Result:
    """The line without what is the workers' own business."""
    own = {name: getattr(line, name) for name in Result.__dataclass_fields__ if name != "session_id"}
    return Result(session_id=session_id, **own)
