"""What crosses the seams: the records of tables, objects, queues, trees, agents and channels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from outlive.core.approvals import Approval, DeferredCall
from outlive.core.queued import Message


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a table: an opaque body with a version and a lease beside it."""

    key: str
    body: bytes
    version: int
    """1 when created, +1 with every write and every acquire."""
    fence: int
    """The fencing token: +1 each time the lease passes; what `Absent` said when it was never taken."""
    owner: str | None
    """Who holds the lease; None when it is free."""
    until: float
    """When the lease runs out."""
    expires_at: float | None
    """When the record is to be treated as gone (TTL); None for never. Readers check it, not the table."""


@dataclass(frozen=True, slots=True)
class Absent:
    """The caller believes that there is no such record."""

    fence: int = 0
    """Where the new record's fencing token begins, one higher with `Hold`.

    A number nobody has used tells the record from one of the same key that was removed before: versions begin at 1
    again, and a request for the old one may still be on its way.
    """


@dataclass(frozen=True, slots=True)
class At:
    """The caller believes that the record is at this version, under this fencing token."""

    version: int
    fence: int


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave the lease as it is."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Hold (create) or prolong (update) the lease in the same write."""

    owner: str
    until: float


@dataclass(frozen=True, slots=True)
class Free:
    """Give the lease back in the same write."""


@dataclass(frozen=True, slots=True)
class Raise:
    """Set the fencing token itself, and the lease with it: how a record passes from one region to another.

    The condition of the same write names the token that it replaces, which must not be higher.
    """

    fence: int
    owner: str | None = None
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One line of a listing."""

    key: str
    size: int
    modified_at: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message handed to one worker until its visibility timeout runs out."""

    id: str
    receipt: str
    """Changes with every receive: an old receipt can no longer acknowledge, extend or return the message."""
    message: Message
    receives: int
    sent_at: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was received too often."""

    id: str
    message: Message
    receives: int
    died_at: float
    reason: str


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How many messages wait, are with a worker, or are dead."""

    waiting: int
    in_flight: int
    dead: int
    oldest_at: float | None = field(default=None, compare=False)
    """When the oldest that waits was sent; None where none does, or the backend does not say."""


@dataclass(frozen=True, slots=True)
class FileStat:
    """One entry of a tree on disk; `path` is relative to the session's root, `/`-joined."""

    path: str
    kind: str
    """`append` (only ever grows), `file`, `link` (a symbolic link inside the tree) or `dir` (an empty one)."""
    size: int
    mode: int
    """Permission bits (0o777 at most)."""
    stamp: str
    """Changes whenever the content may have changed (inode, size and times); empty when it cannot be trusted."""
    target: str = ""
    """Where a link points, as stored in it."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """What `Workspace.write` puts at a path: the parts joined are the content."""

    path: str
    kind: str
    mode: int
    parts: Sequence[bytes | memoryview] = ()
    target: str = ""
    append: bool = False
    """Add the parts behind what is there, instead of replacing it."""


@dataclass(frozen=True, slots=True)
class SessionSeen:
    """The agent's own session id is known; from its first message that carries one, and again from its result."""

    agent_session_id: str


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of the reply as it is produced (live text; not yet committed)."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The agent calls a tool; `summary` is one line for people."""

    tool_use_id: str
    name: str
    summary: str


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """The tool answered."""

    tool_use_id: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """What a turn used. Money in US dollars, as the agent reports it."""

    usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    agent_turns: int = 0


@dataclass(frozen=True, slots=True)
class TurnDone:
    """The last event of a run that ended by itself: the reply (the last result's text) and what it cost."""

    text: str
    agent_session_id: str
    usage: Usage = field(default_factory=Usage)
    stop_reason: str = "end_turn"
    is_error: bool = False
    prompt_version: str = ""
    """Of the profile that it ran as; empty when nobody was asked."""
    notices: tuple[str, ...] = ()
    """What did not go as it should, though the turn went on; each one line for people."""
    deferred: DeferredCall | None = None
    """The call that has to be allowed before the agent goes on; the stop reason is `tool_deferred`."""


@dataclass(frozen=True, slots=True)
class ReplyFile:
    """A file that goes out with a reply, as the turn left it."""

    path: str
    """Below `work/`; its last part is what the receiver sees."""
    size: int
    caption: str
    read: Callable[[], Awaitable[bytes]] = field(compare=False, repr=False)
    """Its bytes; `NotFound` or `TooLarge` when there is nothing that may be sent."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A committed reply on its way out."""

    session_key: str
    message_id: str
    """The inbound message it answers: repeats of one reply carry the same id."""
    turn: int
    text: str
    question: Approval | None = None
    """What it asks, for channels that draw buttons; the text asks the same in words."""
    reply_to: str = ""
    """The message to quote: the last of those that this turn answers; empty for none."""
    stop_reason: str = "end_turn"
    """`interrupted` when somebody stopped the turn; the text is what there was by then."""
    progress: str = ""
    """What the channel's last `Undelivered` said about how far it got; empty at the first try."""
    files: tuple[ReplyFile, ...] = ()
    """For channels whose `sends_files` is true; for the others the text names them."""


@dataclass(frozen=True, slots=True)
class AgentTool:
    """A tool that a turn gives its agent, beside the agent's own."""

    name: str
    description: str
    input_schema: Mapping[str, Any]
    """JSON Schema of the arguments."""
    call: Callable[[Mapping[str, Any]], Awaitable[str]]
    """What the tool says; an `OutliveError` is told to the agent as an error."""
    by_default: bool = False
    """Offered where the profile says nothing of it."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which fields of a state a message needs, as a model said."""

    paths: tuple[str, ...]
    """JSON Pointers, the most needed first; some may be of no field."""
    input_tokens: int = 0
    output_tokens: int = 0


Expected = Absent | At


LeaseChange = Keep | Hold | Free | Raise


AgentEvent = SessionSeen | TextPart | ToolStarted | ToolFinished | TurnDone
