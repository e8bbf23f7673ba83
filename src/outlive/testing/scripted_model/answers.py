"""What the scripted model can answer with: a reply that may call tools, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

ERROR_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""HTTP status -> error type, as the Messages API documents them (405 falls under its rule for other 4xx)."""

LOAD_MARK = "toolu_load_"
"""How the id of a call begins that only fetches the schema of a deferred tool.

The client stores ids in its transcript, so a later request still tells these calls from the ones that were
asked for, on whatever machine it is answered.
"""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool the request offers."""

    name: str
    input: Mapping[str, Any]
    loads: bool = False
    """True for the model's own look-up of a deferred tool: it is no step of what the user asked for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One assistant message. Times are seconds."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    thinking: str = ""
    stop: str = ""
    """The stop reason; empty means tool_use if tools are called, else end_turn."""
    delay: float = 0.0
    """Silence before the first byte."""
    stall: float = 0.0
    """Silence after the stream has opened."""

    @property
    def stop_reason(self) -> str:
        return self.stop or ("tool_use" if self.calls else "end_turn")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One error answer; `retry_after` in seconds."""

    status: int
    message: str
    retry_after: float | None = None
    named: str = ""
    """What Bedrock calls this error, where the status alone does not tell."""

    @property
    def error_type(self) -> str:
        return ERROR_TYPES[self.status]


@dataclass(frozen=True, slots=True)
class Break:
    """A reply that breaks off half-way through."""

    reply: Reply
    error: Refusal | None = None
    """What the stream ends with; None if the connection is dropped."""


Answer: TypeAlias = Reply | Refusal | Break


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer, and under which name the server has to count that it was given."""

    answer: Answer
    counted_as: str = ""
    """Empty if nothing depends on the count."""
