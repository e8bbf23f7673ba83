"""Every seam of outlive on one page: what a backend, an agent or a channel has to promise.

The docstrings are the contract; `outlive.testing` holds the suites that check it. Times are epoch seconds by
the caller's own clock, never a server's: skew can cost time, never safety, because the fence decides.
"""

from __future__ import annotations  # noqa: I001 - the records stand many to a line

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from outlive.core.approvals import Approval, Decided, DeferredCall
from outlive.core.live import Broadcast
from outlive.core.messages import FileRef
from outlive.core.queued import Message
from outlive.core.records import (
    Absent, AgentEvent, AgentTool, At, Chosen, DeadLetter, Delivery, Expected, FileContent, FileStat, Free, Hold, Keep,
    LeaseChange, ObjectInfo, QueueDepth, Raise, Reply, ReplyFile, Row, SessionSeen, TextPart,
    ToolFinished, ToolStarted, TurnDone, Usage,
)  # fmt: skip
from outlive.core.tenant_keys import KeyRecord, KeyWrap, TenantKeys

__all__ = [  # the records cross the seams: whoever implements one finds them on this page, too
    "Absent", "Agent", "AgentEvent", "AgentTool", "AgentTurn", "Approval", "At", "Broadcast", "Channel", "Chosen",
    "Clock", "DeadLetter", "Decided", "DeferredCall", "Delivery", "Expected", "FieldChooser", "FileContent", "FileRef",
    "FileStat", "Free", "Hold", "HotCache", "Keep", "KeyRecord", "KeyWrap", "LeaseChange", "Message", "NewId",
    "ObjectInfo", "Objects", "OnEvent", "Queue", "QueueContents", "QueueDepth", "Raise", "Reply", "ReplyFile", "Row",
    "SessionSeen", "Table", "TenantKeys", "TextPart", "ToolFinished", "ToolResults", "ToolStarted", "TurnDone", "Usage",
    "Workspace", "Workspaces",
]  # fmt: skip


# ---------------------------------------------------------------------------------------------- table
class Table(Protocol):
    """Small records with single-record compare-and-set. No transactions, no expiry of its own needed.

    Keys are non-empty strings of at most 1,024 bytes; bodies are opaque, 256 KB at most. Reads are strongly
    consistent. Every method raises `Unavailable` (with `.original`) when the backend fails, and then a write may
    or may not have landed: the caller reads back.
    """

    async def read(self, key: str) -> Row | None:
        """The record, or None when there is none. An error is never None."""
        ...

    async def write(
        self, key: str, body: bytes, *, expected: Expected, lease: LeaseChange, expires_at: float | None
    ) -> Row:
        """Replace the whole record in one conditional write and return it as written.

        `Absent` and the record exists: `AlreadyExists`. `At` and version or fence differ, or there is no record:
        `VersionConflict`. A new record is at version 1 and at the fence that `Absent` names, 0 by default; `Hold` on
        create takes the lease with a fence one higher, on update it prolongs it under the same fence. `Free` clears
        owner and expiry and keeps the fence. `Raise` sets fence, owner and expiry, on create as well; `Invalid` for a
        fence below the one that `expected` names.
        """
        ...

    async def acquire(self, key: str, owner: str, *, now: float, until: float) -> Row | None:
        """Take the lease in one conditional write that also returns the record.

        Succeeds when the lease is free, has run out (`row.until <= now`) or is this owner's own; the fence and the
        version rise by one. None when somebody else holds it. `NotFound` when there is no record.
        """
        ...

    async def delete(self, key: str, *, expected: At) -> None:
        """Remove the record; `VersionConflict` when it is not at `expected`, or gone."""
        ...

    async def scan(self, prefix: str, *, after: str = "", limit: int = 100) -> Sequence[Row]:
        """Records whose key starts with `prefix` and sorts after `after`, in order of code points, `limit` at most."""
        ...

    async def ping(self) -> None:
        """Return when the backend can serve; `Unavailable` when not."""
        ...

    async def close(self) -> None:
        """Give back what the table opened; idempotent."""
        ...


# -------------------------------------------------------------------------------------------- objects
class Objects(Protocol):
    """Immutable objects: created once, never overwritten.

    Keys are `/`-joined segments of `A-Z a-z 0-9 . _ - % =`, no empty, `.` or `..` segment, 900 bytes at most.
    Every method raises `Unavailable` when the backend fails.
    """

    async def put(self, key: str, data: bytes) -> None:
        """Create the object, atomically and durably; `AlreadyExists` if the key is taken (same bytes or not)."""
        ...

    async def get(self, key: str) -> bytes:
        """The whole object; `NotFound` when there is none."""
        ...

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[ObjectInfo]:
        """Objects whose key starts with `prefix` and sorts after `after`, in key order, `limit` at most."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove the objects; one that is already gone is no error."""
        ...

    async def ping(self) -> None:
        """Return when the backend can serve; `Unavailable` when not."""
        ...

    async def close(self) -> None:
        """Give back what was opened; idempotent."""
        ...


# ----------------------------------------------------------------------------------------- hot cache
class HotCache(Protocol):
    """Copies of what is durable elsewhere, near at hand for a while: never the source of truth, never a lock.

    Whoever reads checks what it gets and goes to the source on any doubt. An entry may be gone at any time, and two
    writers of one key may win in either order. Every method raises `Unavailable` when the backend fails.
    """

    async def get(self, key: str) -> bytes | None:
        """The value last put, or None: it has run out, was pushed out, or never was."""
        ...

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Keep the value for `seconds` at most."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Forget the values; one that is already gone is no error."""
        ...

    async def ping(self) -> None:
        """Return when the backend can serve; `Unavailable` when not."""
        ...

    async def close(self) -> None:
        """Give back what was opened; idempotent."""
        ...


# ---------------------------------------------------------------------------------------------- queue


class QueueContents(Protocol):
    """What lies in a queue, for those who look at it without receiving."""

    async def waiting(self, group: str, *, limit: int = 100) -> Sequence[Message]:
        """The messages of the group that nobody has received, in their order; none where the backend cannot look."""
        ...

    async def dead_letters(self, *, after: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        """The dead letters in order of id."""
        ...

    async def redrive(self, letter_id: str) -> None:
        """Send a dead letter again, at the end of its group, with its receives at zero; `NotFound` if there is none."""
        ...

    async def purge(self, letter_id: str) -> None:
        """Remove a dead letter for good; `NotFound` if there is none."""
        ...

    async def depth(self) -> QueueDepth:
        """How full it is."""
        ...


class Queue(QueueContents, Protocol):
    """At-least-once delivery, ordered per group, with a dead-letter queue."""

    async def send(self, message: Message) -> bool:
        """Store the message durably; False when it is a duplicate inside the dedupe window."""
        ...

    async def receive(self, *, visibility: float, wait: float) -> Delivery | None:
        """The oldest deliverable message, invisible to others for `visibility` seconds; None after `wait` seconds.

        A group with a message in flight or delayed delivers nothing else. A message already received `max_receives`
        times is moved to the dead letters instead, and its group goes on.
        """
        ...

    async def extend(self, delivery: Delivery, visibility: float) -> None:
        """Keep it invisible for `visibility` seconds from now; `Conflict` if the receipt is no longer current."""
        ...

    async def ack(self, delivery: Delivery) -> None:
        """Remove it for good; `Conflict` if the receipt is no longer current."""
        ...

    async def give_back(self, delivery: Delivery, *, delay: float, reason: str, count: bool = True) -> None:
        """Make it deliverable again after `delay` seconds; `count=False` takes back this receive (busy, shutdown)."""
        ...

    async def ping(self) -> None:
        """Return when the backend can serve; `Unavailable` when not."""
        ...

    async def close(self) -> None:
        """Give back what was opened; idempotent."""
        ...


# ------------------------------------------------------------------------------------------ workspace
class Workspace(Protocol):
    """One session's private tree on this machine: `config/` (the CLI's own files), `work/` (the cwd), `ledger.jsonl`.

    Held by one process at a time (a file lock). Paths are the same on every host. Blocking file work is done off the
    event loop.
    """

    root: Path
    """The session's root: holds `config`, `work`, `tmp`, `home` and `ledger.jsonl`."""

    async def note(self) -> bytes | None:
        """What `mark_clean` stored, or None when the tree is empty, dirty or of an unknown state."""
        ...

    async def mark_clean(self, note: bytes) -> None:
        """Say that the tree is exactly what `note` describes; true until the machine itself goes down."""
        ...

    async def mark_dirty(self) -> None:
        """Say that the tree may differ from any note; called before anything changes it."""
        ...

    async def scan(self) -> Sequence[FileStat]:
        """Every kept entry in path order; ignore rules applied.

        `TooLarge` over the size or count limit, `Invalid` for a special file, a link that leaves the tree or a setuid
        file: each names the path and the fix.
        """
        ...

    async def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a kept file; `Invalid` if the path is not inside the tree."""
        ...

    async def write(self, files: Sequence[FileContent]) -> None:
        """Create or replace entries with exactly this content, kind and mode, parents made; never through a link."""
        ...

    async def remove(self, paths: Sequence[str]) -> None:
        """Remove entries and the directories they leave empty; one already gone is no error."""
        ...

    async def wipe(self) -> None:
        """Make the tree empty."""
        ...

    async def close(self) -> None:
        """Give the lock back; the files stay for the next turn of this session on this machine."""
        ...


class Workspaces(Protocol):
    """The trees on this machine."""

    async def open(self, tenant: str, session_id: str) -> Workspace:
        """Lock and return the session's tree; one that another live process holds is left alone, for another slot."""
        ...


# ---------------------------------------------------------------------------------------------- agent
class ToolResults(Protocol):
    """Results of tools that were kept for a while, of the turn's own tenant and profile."""

    async def call(
        self, tool: str, parameters: Mapping[str, Any], call: Callable[[], Awaitable[bytes]], *, ttl: float
    ) -> bytes:
        """The kept result for these parameters, or `call()`'s, kept for `ttl` seconds; its errors never are.

        Stores that are down fail no tool. `Invalid` for parameters that are not JSON.
        """
        ...


@dataclass(frozen=True, slots=True)
class AgentTurn:
    """What an agent is asked to do."""

    root: Path
    """The session's root, restored; the agent works in `work/` and keeps its own files in `config/`."""
    prompt: str | None
    """The user's message; None to continue an interrupted turn without a new one."""
    agent_session_id: str | None
    """The agent's own session id to resume, or None to start one."""
    profile: str = "default"
    max_turns: int | None = None
    max_usd: float | None = None
    debug_file: Path | None = None
    """Where the agent shall log what it does, for people who look for a fault; None for nowhere."""
    turn_seconds: float | None = None
    """Wall time after which the turn is ended; None for the agent's own limit."""
    decision: Decided | None = None
    """The verdict on the call that the last turn was waiting for; then there is no prompt."""
    lifted_rules: tuple[str, ...] = ()
    """Rules that no longer ask in this session; what they cover runs."""
    tree: str = ""
    """What `keep` was told when this very tree was committed, if nothing has touched it since; otherwise empty."""
    tools: Sequence[AgentTool] = ()
    """Offered besides the agent's own, where the profile wants them; good for this turn alone."""
    model: str | None = None
    """In place of the profile's, or the agent's own."""
    traceparent: str = ""
    """W3C trace context of the turn, for what the agent itself traces; empty without tracing."""
    results: ToolResults | None = None
    """What tools of the profile's servers have answered before, where the profile wants it kept; None: nothing."""


class FieldChooser(Protocol):
    """A small model between the state and the agent."""

    async def choose(self, fields: Mapping[str, str], message: str, *, profile: str) -> Chosen | None:
        """Which fields (JSON Pointer -> beginning of the value) the message needs; None where the rules choose.

        `AgentFailed` for no answer.
        """
        ...


class Agent(Protocol):
    """Runs turns. Beside the files below `root` it keeps a process at rest at most, for the tree that it ended on."""

    def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        """Run one turn to its very end (background results included); exactly one `TurnDone`, last.

        Raises `AgentFailed` when the process or the model failed. Closing the iterator, cancelling it or an error
        leaves no process behind. After the end nothing writes below `root` until the next turn there.
        """
        ...

    async def keep(self, root: Path, tree: str) -> None:
        """The turn that has ended in `root` is committed as `tree`: what rests there may serve the turn after it."""
        ...

    async def drop(self, root: Path, *, unless: str | None = None) -> None:
        """End what rests in `root`, unless it was kept for the tree `unless`; returns when it is gone."""
        ...

    async def interrupt(self, root: Path) -> bool:
        """Ask the turn running in `root` to stop and keep what it has; False when none runs."""
        ...

    async def steer(self, root: Path, text: str) -> bool:
        """Hand the turn running in `root` a further message of the user; False when it can take none any more.

        The turn then ends only after it has answered this one, too.
        """
        ...

    async def close(self) -> None:
        """End every process this agent started."""
        ...


# -------------------------------------------------------------------------------------------- channel
class Channel(Protocol):
    """Where replies go. With a true `sends_files` it is given `Reply.files`; with a true `pulls`, live text is kept."""

    async def deliver(self, reply: Reply) -> None:
        """Send it; at least once.

        `Unavailable`, or `Undelivered` with the vendor's own pause, to be tried again; any other error to give up and
        keep a note: a chat that is gone, a bot that was blocked.
        """
        ...

    async def fetch(self, file: FileRef) -> bytes:
        """The bytes of a file that came with a message; `NotFound` when it is gone, `TooLarge` over its limit."""
        ...


# ---------------------------------------------------------------------------------------------- clock
class Clock(Protocol):
    """Time, injected so that no test sleeps."""

    def now(self) -> float:
        """Epoch seconds, for stamps and expiries."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


NewId = Callable[[], str]
"""Makes ids nobody has used before (random, 128 bits, hexadecimal)."""

OnEvent = Callable[[AgentEvent], Awaitable[None]]
"""Somebody who watches a turn while it runs."""
