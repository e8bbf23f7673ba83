"""What the table and the objects hold of a stored session: its head, its logs, and the uuids in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeVar

from outlive.core.manifests import Entry
from outlive.core.packs import Pack, PackName
from outlive.core.store_heads import StoreHead, decode_store_head
from outlive.core.store_logs import parse_lines, uuid_of
from outlive.core.trees import TreeState
from outlive.errors import Corrupt
from outlive.flows.retry import retrying
from outlive.flows.session_store.parts import StoreParts
from outlive.flows.session_store.stored_sessions import Log, StoredSession
from outlive.flows.turn.read_packs import read_chunks, stored_tree
from outlive.protocols import Row

T = TypeVar("T")

LOOKS = 5
"""How often a read is begun anew because other writers keep moving the packs under it."""


def head_of(row: Row) -> StoreHead:
    """The head in a row."""
    return decode_store_head(row.body, row.key)


def living_head(row: Row | None, now: float) -> StoreHead | None:
    """The head in a row, or None when the session is absent, erased or past its time."""
    head = head_of(row) if row else None
    if row is None or head is None or head.erased or (row.expires_at is not None and row.expires_at <= now):
        return None
    return head


async def read_row(parts: StoreParts, session: StoredSession) -> Row | None:
    """The session's row as the table holds it now."""
    return await retrying(lambda: parts.table.read(session.key), parts.clock)


async def look(parts: StoreParts, session: StoredSession) -> None:
    """Bring what is known of the session up to what the table holds: one read, and the new packs if it has moved."""
    session.current = False
    row = await read_row(parts, session)
    seen, known = session.seen, session.head
    session.row, session.head = row, None
    head = living_head(row, parts.clock.now())
    if row is None or head is None:
        session.tree, session.logs = None, {}
    elif seen != (head.packs_id, row.version):
        await _adopt(parts, session, row, head, known)
    session.head, session.current = head, True


async def _adopt(parts: StoreParts, session: StoredSession, row: Row, head: StoreHead, known: StoreHead | None) -> None:
    if known is None or (known.packs_id, known.cuts) != (head.packs_id, head.cuts):
        session.tree, session.logs = None, {}
    reader = parts.reader(session, head)
    last = head.packs[-1]
    # A cold start will need every pack, so it asks for them at once.
    fetched = await reader.fetch([last] if session.tree else head.packs)
    stored = await stored_tree(reader, last, fetched[last.name])
    session.tree = TreeState(head.packs_id, row.version, stored.manifest, stored.base, stored.base_entries)


async def steadily(parts: StoreParts, session: StoredSession, work: Callable[[], Awaitable[T]]) -> T:
    """Look, then do `work` on what was seen; anew when another writer's compaction removed a pack meanwhile.

    `Corrupt` when a pack is damaged or missing although the head has not moved on from it.
    """
    for _ in range(LOOKS - 1):
        try:
            await look(parts, session)
            return await work()
        except Corrupt:
            if not await has_moved(parts, session):
                raise
    await look(parts, session)
    return await work()


async def has_moved(parts: StoreParts, session: StoredSession) -> bool:
    """Whether the table holds another row than the one last seen."""
    session.current = False
    return session.row != await read_row(parts, session)


# ----------------------------------------------------------------------------------------------- reading


async def fetch_packs(
    parts: StoreParts, session: StoredSession, names: Collection[PackName]
) -> Mapping[PackName, Pack]:
    """These live packs, out of memory or fetched at once and verified."""
    if session.head is None or not names:
        return {}
    refs = [ref for ref in session.head.packs if ref.name in names]
    return await parts.reader(session, session.head).fetch(refs)


async def read_log(parts: StoreParts, session: StoredSession, path: str, skip: int = 0) -> bytes:
    """The bytes of a log from `skip` on; only the packs that hold them are read."""
    entry = session.entries[path]
    packs = await fetch_packs(parts, session, _packs_from(entry, skip))
    return b"".join(read_chunks(packs, entry, skip))


def _packs_from(entry: Entry, skip: int) -> set[PackName]:
    names: set[PackName] = set()
    position = 0
    for chunk in entry.chunks:
        position += chunk.length
        if position > skip:
            names.add(chunk.pack)
    return names


async def known_uuids(parts: StoreParts, session: StoredSession, path: str) -> set[str]:
    """The uuids in a log; only bytes that have not been looked at before are read."""
    entry = session.entries.get(path)
    log = session.logs.setdefault(path, Log())
    if entry is not None and log.size < entry.size:
        entries = parse_lines(await read_log(parts, session, path, log.size), log_name(session, path))
        log.uuids.update(uuid for each in entries if (uuid := uuid_of(each)))
        log.size = entry.size
    return log.uuids


def log_name(session: StoredSession, path: str) -> str:
    """How messages call a log."""
    return f"session {session.session!r}" + (f" ({path})" if path else "")
