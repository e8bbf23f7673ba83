"""What the flows report of themselves while they run: frozen events, whom they are about, and who may listen.

No event holds what was said: ids, counts, times and names of outcomes only. The one exception is `Fault.quoted`, which
listeners leave out unless the operator has asked for content.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

from outlive.errors import Conflict, Corrupt, NotFound, OutliveError, Refused, Unavailable, Undelivered

Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")
SAFE = (Conflict, Corrupt, NotFound, Unavailable, Refused)
"""Errors whose messages name stores, records and ids, never what a person or the model has said."""


@dataclass(frozen=True, slots=True)
class About:
    """Whom the events of a block are about; empty for what is not known, or does not apply."""

    tenant: str = ""
    session_key: str = ""
    session_id: str = ""
    message_id: str = ""
    task_id: str = ""
    turn: int = 0
    receives: int = 0
    """How often the message has been received; 0 where it came through no queue."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong."""

    kind: str
    """The error's class."""
    detail: str = ""
    """Its message, where no message of this class can quote anybody."""
    quoted: str = ""
    """Its message where it may: content."""


def fault_of(error: BaseException) -> Fault:
    """The error as it may be reported."""
    kind = type(error).__name__
    if isinstance(error, SAFE) and not isinstance(error, Undelivered):
        return Fault(kind, detail=error.message)
    return Fault(kind, quoted=error.message if isinstance(error, OutliveError) else repr(error))


# ---------------------------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class MessageAccepted:
    """A message is in the queue."""

    name: ClassVar[str] = "message_accepted"
    level: ClassVar[Level] = "info"
    channel: str
    duplicate: bool
    """It was there already."""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A worker has taken a message from the queue."""

    name: ClassVar[str] = "message_received"
    level: ClassVar[Level] = "debug"
    waited: float
    """Seconds since it was sent."""


@dataclass(frozen=True, slots=True)
class TreeHydrated:
    """A session's tree is on this machine."""

    name: ClassVar[str] = "tree_hydrated"
    level: ClassVar[Level] = "debug"
    tier: str
    """`up to date`, `caught up`, `restored` or `empty`."""
    packs: int
    size: int
    """Bytes of the packs that were read."""
    seconds: float


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """A message has its committed answer."""

    name: ClassVar[str] = "turn_ended"
    level: ClassVar[Level] = "info"
    outcome: Literal["done", "failed", "refused"]
    """`failed`: the agent ended with an error, which was committed and told to the sender."""
    how: str
    """As of `Turn.how`: `ran`, `continued`, `adopted`, `repeat`, `refused`."""
    stop_reason: str
    seconds: float
    steps: Mapping[str, float] = field(default_factory=dict)
    """Seconds by step."""
    usd: float = 0.0
    input_tokens: int = 0
    """That came from no cache."""
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    model_calls: int = 0


@dataclass(frozen=True, slots=True)
class TurnFailed:
    """A turn ended with an error and without a commit; its message is tried again, or dies."""

    name: ClassVar[str] = "turn_failed"
    level: ClassVar[Level] = "error"
    fault: Fault
    seconds: float


@dataclass(frozen=True, slots=True)
class TurnHandedOver:
    """A turn was let go at its deadline; another invocation finishes it."""

    name: ClassVar[str] = "turn_handed_over"
    level: ClassVar[Level] = "info"
    tool_calls: int


@dataclass(frozen=True, slots=True)
class TurnWaits:
    """The session is held, or all turns run that may: the message waits."""

    name: ClassVar[str] = "turn_waits"
    level: ClassVar[Level] = "debug"
    reason: str


@dataclass(frozen=True, slots=True)
class TurnNotDurable:
    """The agent had answered, and the answer could not be committed: it counts for nothing and is made again."""

    name: ClassVar[str] = "turn_not_durable"
    level: ClassVar[Level] = "error"
    fault: Fault


@dataclass(frozen=True, slots=True)
class TranscriptNotWritten:
    """New bytes of a turn could not be stored; a flush is tried again, a commit fails its turn."""

    name: ClassVar[str] = "transcript_not_written"
    level: ClassVar[Level] = "warning"
    stage: Literal["flush", "last flush", "commit"]
    fault: Fault


@dataclass(frozen=True, slots=True)
class LeaseTakenOver:
    """The holder of a session before this one did not end in order: it died, was cut off, or could not write."""

    name: ClassVar[str] = "lease_taken_over"
    level: ClassVar[Level] = "warning"
    fence: int
    flushes: int
    """Provisional packs it left."""


@dataclass(frozen=True, slots=True)
class FenceRefused:
    """A write was refused because the session has passed to another worker: what had to be kept out was kept out."""

    name: ClassVar[str] = "fence_refused"
    level: ClassVar[Level] = "warning"
    fence: int
    doing: Literal["write", "remove"]


@dataclass(frozen=True, slots=True)
class ReplyDelivered:
    """A channel has taken a reply."""

    name: ClassVar[str] = "reply_delivered"
    level: ClassVar[Level] = "info"
    channel: str
    age: float
    """Seconds since its turn was committed."""
    tries: int


@dataclass(frozen=True, slots=True)
class ReplyPutOff:
    """A channel could not take a reply; it is tried again."""

    name: ClassVar[str] = "reply_put_off"
    level: ClassVar[Level] = "warning"
    channel: str
    age: float
    tries: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class ReplyGivenUp:
    """A reply is tried no more; its text stays in the session."""

    name: ClassVar[str] = "reply_given_up"
    level: ClassVar[Level] = "error"
    channel: str
    age: float
    tries: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class MessageDead:
    """A message failed too often and is a dead letter; its sender was told, or cannot be."""

    name: ClassVar[str] = "message_dead"
    level: ClassVar[Level] = "error"


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """A tool call waits for a person."""

    name: ClassVar[str] = "approval_asked"
    level: ClassVar[Level] = "info"
    tool: str


@dataclass(frozen=True, slots=True)
class ApprovalAnswered:
    """A person has answered."""

    name: ClassVar[str] = "approval_answered"
    level: ClassVar[Level] = "info"
    allowed: bool


@dataclass(frozen=True, slots=True)
class RoundFailed:
    """What goes on beside the turns met a fault: a schedule, a reply or a dead letter is looked at again later."""

    name: ClassVar[str] = "round_failed"
    level: ClassVar[Level] = "warning"
    fault: Fault


@dataclass(frozen=True, slots=True)
class LiveRecordSkipped:
    """Live text that this process cannot read, of a newer worker say: its readers see the turn once it is committed."""

    name: ClassVar[str] = "live_record_skipped"
    level: ClassVar[Level] = "warning"
    fault: Fault


Event = (
    MessageAccepted
    | MessageReceived
    | TreeHydrated
    | TurnEnded
    | TurnFailed
    | TurnHandedOver
    | TurnWaits
    | TurnNotDurable
    | TranscriptNotWritten
    | LeaseTakenOver
    | FenceRefused
    | ReplyDelivered
    | ReplyPutOff
    | ReplyGivenUp
    | MessageDead
    | ApprovalAsked
    | ApprovalAnswered
    | RoundFailed
    | LiveRecordSkipped
)


# ------------------------------------------------------------------------------------------- listeners


@dataclass(frozen=True, slots=True)
class Told:
    """An event with its circumstances."""

    event: Event
    about: About
    at: float
    """Epoch seconds."""
    trace_id: str = ""
    """32 hexadecimal digits of the W3C trace; empty without tracing."""


class Listener(Protocol):
    """Takes events; called in the event loop, so it must be quick. What it raises is counted and goes no further."""

    def __call__(self, told: Told, /) -> None: ...


Attributes = Mapping[str, str | int | float]


class Spans(Protocol):
    """Where spans go; see docs/how-to/telemetry.md. Implementations never raise."""

    def span(self, name: str, *, parent: str, attributes: Attributes) -> AbstractContextManager[None]:
        """A span around the block, which it becomes the current one of.

        `parent` is a W3C traceparent; empty: the current span's child.
        """
        ...

    def under(self, traceparent: str) -> AbstractContextManager[None]:
        """Spans of the block that have no other parent are this one's children; one that is no traceparent is none."""
        ...

    def past(self, name: str, began: float, ended: float, *, parent: str, attributes: Attributes) -> None:
        """A span that is over; times in epoch seconds."""
        ...

    def traceparent(self) -> str:
        """Of the current span, in W3C form; empty when there is none."""
        ...
