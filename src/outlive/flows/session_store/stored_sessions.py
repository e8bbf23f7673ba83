"""What this process knows of one session in the SDK's session store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from outlive.core.keys import SessionId
from outlive.core.manifests import Entry
from outlive.core.packs import Pack, PackName
from outlive.core.store_heads import StoreHead
from outlive.core.store_logs import Batch, row_key
from outlive.core.trees import TreeState
from outlive.protocols import Row


@dataclass(frozen=True, slots=True)
class Doubt:
    """A pack whose commit was not answered: it may still take effect until the row has left the version before it."""

    packs_id: SessionId
    name: PackName
    version: int
    batches: int
    """How many batches of the backlog it holds."""


@dataclass(slots=True)
class Log:
    """What is known of one log: how many of its bytes have been looked at, and the uuids in them."""

    size: int = 0
    uuids: set[str] = field(default_factory=set)


class StoredSession:
    """One session as this process last saw it; used under its lock."""

    def __init__(self, project: str, session: str) -> None:
        """Nothing is known yet."""
        self.project = project
        self.session = session
        self.key = row_key(project, session)
        self.lock = asyncio.Lock()
        self.packs: dict[PackName, Pack] = {}
        """What the operation that holds the lock has fetched."""
        self.current = False
        """What is known below is what the table held when this process last heard of it."""
        self.row: Row | None = None
        self.head: StoreHead | None = None
        """None when there is no such session, or no longer."""
        self.tree: TreeState | None = None
        self.logs: dict[str, Log] = {}
        self.backlog: list[Batch] = []
        """What is not known to be stored, in the order of the appends."""
        self.failed: Batch | None = None
        """What the last append failed to store: an equal one right after it is the caller's retry."""
        self.dropped: list[bytes] = []
        """Digests of batches refused for want of room while the backend was down; forgotten with the next load."""
        self.doubts: list[Doubt] = []
        self.claim: tuple[str, int] | None = None
        """Packs id and version of the state this process builds on (`single_writer`); None before it has seen one."""
        self.refused = False
        """Another writer took over (`single_writer`); ends with the next load."""

    @property
    def seen(self) -> tuple[str, int]:
        """Packs id and version of what was last looked at; an empty id for no session."""
        return (self.head.packs_id, self.row.version) if self.head and self.row else ("", 0)

    def forget(self) -> None:
        """Drop everything known and everything queued."""
        self.current = self.refused = False
        self.row = self.head = self.tree = self.claim = self.failed = None
        self.logs, self.backlog, self.doubts, self.dropped = {}, [], [], []

    @property
    def entries(self) -> Mapping[str, Entry]:
        """Where each log's bytes lie, by path."""
        return self.tree.manifest.entries if self.tree else {}

    @property
    def is_dead(self) -> bool:
        """Whether there is a record of it, but of a session that is erased or past its time."""
        return self.row is not None and self.head is None

    @property
    def idle(self) -> bool:
        """Whether it can be forgotten."""
        return not self.backlog and not self.lock.locked()
