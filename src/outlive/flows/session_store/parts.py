"""What the flows of the SDK's session store share: policy, memory, and its area of the table and the objects."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

from outlive.core.compaction import DEFAULT_LIMIT
from outlive.core.packs import Pack, PackName, PackRef, pack_name
from outlive.core.store_heads import Fold, StoreHead
from outlive.flows.session_store.stored_sessions import StoredSession
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.read_packs import PackReader
from outlive.flows.turn.share_dictionary import Dictionaries
from outlive.protocols import Clock, NewId


@dataclass(frozen=True, slots=True)
class StorePolicy:
    """How a session store behaves; every field is a setting."""

    single_writer: bool = False
    """Refuse, with `LeaseLost`, to append to a session that somebody else has changed since this store looked at it."""
    allow_gaps: bool = False
    """Load a transcript although entries that others build on were never stored."""
    ttl_seconds: float | None = None
    """How long after its last append a session is kept; None for ever."""
    max_packs: int = DEFAULT_LIMIT
    """Live packs of a session, and so the objects that a load reads at most."""
    cache_bytes: int = 32 << 20
    """Packs kept in memory, so that subagents' logs, and compaction, seldom read an object twice."""
    backlog_bytes: int = 64 << 20
    """Entries of a session kept in memory while the backend is down; more are refused."""
    open_sessions: int = 256
    """Sessions whose state is kept in memory."""


class PackCache:
    """The packs used last, up to a number of bytes; their names are unique in the whole store."""

    def __init__(self, limit: int) -> None:
        """`limit` in unpacked bytes."""
        self._limit = limit
        self.size = 0
        """Unpacked bytes held."""
        self._packs: OrderedDict[PackName, Pack] = OrderedDict()

    def pick(self, refs: Iterable[PackRef]) -> dict[PackName, Pack]:
        """Those of the packs that are here."""
        found = {ref.name: self._packs[ref.name] for ref in refs if ref.name in self._packs}
        for name in found:
            self._packs.move_to_end(name)
        return found

    def keep(self, packs: Mapping[PackName, Pack]) -> None:
        """Remember these, and forget the oldest ones over the limit."""
        for name, pack in packs.items():
            if name not in self._packs and len(pack.data) <= self._limit:
                self._packs[name] = pack
                self.size += len(pack.data)
        while self.size > self._limit:
            _, pack = self._packs.popitem(last=False)
            self.size -= len(pack.data)


class StoreParts:
    """What the store's flows share: its area of the table and the objects, clock, policy and memory."""

    def __init__(
        self, area: TenantStores, *, clock: Clock, new_id: NewId, fold: Fold | None, policy: StorePolicy
    ) -> None:
        """`area` is the part of the tenant's table and objects that is the store's own."""
        self.area = area
        self.table = area.table
        self.objects = area.objects
        self.clock = clock
        self.new_id = new_id
        self.fold = fold
        self.policy = policy
        self.cache = PackCache(policy.cache_bytes)
        self._dictionaries = Dictionaries()
        self._writer = int(new_id()[:16], 16)
        self._sequence = count(1)
        self._sessions: OrderedDict[tuple[str, str], StoredSession] = OrderedDict()
        self._stamp = 0

    def session(self, project: str, session: str) -> StoredSession:
        """The one state of this session in this process."""
        name = (project, session)
        found = self._sessions.setdefault(name, StoredSession(project, session))
        self._sessions.move_to_end(name)
        if len(self._sessions) > self.policy.open_sessions:
            oldest = next((n for n, s in self._sessions.items() if s.idle and s is not found), None)
            if oldest is not None:
                del self._sessions[oldest]
        return found

    def sessions(self) -> list[StoredSession]:
        """Every session with a state."""
        return list(self._sessions.values())

    def next_pack(self, version: int) -> PackName:
        """A name nobody else makes: the version it is for, this store's random number, a sequence."""
        return pack_name(version, self._writer, next(self._sequence))

    def stamp(self, after: int) -> int:
        """Epoch milliseconds, later than `after` and than any stamp this store has given."""
        self._stamp = max(int(self.clock.now() * 1000), after + 1, self._stamp + 1)
        return self._stamp

    @asynccontextmanager
    async def holding(self, session: StoredSession) -> AsyncIterator[None]:
        """Have the session to oneself in this process; the packs fetched meanwhile stay in memory as room allows."""
        async with session.lock:
            try:
                yield
            finally:
                self.cache.keep(session.packs)
                session.packs = {}

    def reader(self, session: StoredSession, head: StoreHead) -> PackReader:
        """Reads the session's packs, those in memory without a request."""
        session.packs.update(self.cache.pick(ref for ref in head.packs if ref.name not in session.packs))
        return PackReader(self.area, self._dictionaries, head.packs_id, self.clock, session.packs)
