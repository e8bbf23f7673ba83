"""Stored sessions, and single logs of them, removed for good: from the table and from the objects."""

from __future__ import annotations

from dataclasses import replace

from outlive.core.keys import SessionId
from outlive.core.packs import PackRef
from outlive.core.store_heads import StoreHead, doomed_packs, draft_commit, next_head
from outlive.errors import VersionConflict
from outlive.flows.list_all import list_all, scan_all
from outlive.flows.retry import retrying
from outlive.flows.session_store.commit_log import CONFLICTS, Commit, commit, remove_packs, sweep, too_busy, write_head
from outlive.flows.session_store.parts import StoreParts
from outlive.flows.session_store.read_log import fetch_packs, head_of, living_head, look, read_row, steadily
from outlive.flows.session_store.stored_sessions import StoredSession
from outlive.protocols import At, Row

GRACE = 3600.0
"""Seconds for which packs without a session may be those of one that is just being written for the first time."""
PREFIX = "sessions/"


async def erase_session(parts: StoreParts, session: StoredSession) -> None:
    """Remove a session with all its logs; one that is not there is no error.

    `Unavailable` when it could not be finished; nobody can load it any more then, and another call finishes it.
    """
    session.forget()
    for _ in range(CONFLICTS):
        row = await read_row(parts, session)
        if row is None or await _bury(parts, row):
            return
    raise too_busy(session)


async def _bury(parts: StoreParts, row: Row) -> bool:
    """Gravestone, objects, row: a crash at any step leaves something to go on from. False when the row has moved."""
    head = head_of(row)
    if not head.erased:
        erased = replace(head, erased=True, summary=None)
        moved = await write_head(parts, row.key, row, erased)
        if moved is None:
            return False
        row = moved
    await remove_packs(parts, head.packs_id)
    try:
        at = At(row.version, row.fence)
        await retrying(lambda: parts.table.delete(row.key, expected=at), parts.clock)
    except VersionConflict:
        return False  # somebody else finished it, or has begun a new session under this name
    return True


async def look_past_the_dead(parts: StoreParts, session: StoredSession) -> None:
    """Look; a session that is erased or past its time is removed before a new one takes its name."""
    await look(parts, session)
    while session.row and session.is_dead:
        await _bury(parts, session.row)
        await look(parts, session)


async def erase_log(parts: StoreParts, session: StoredSession, path: str) -> None:
    """Remove one log and every byte of it; one that is not there is no error."""
    for _ in range(CONFLICTS):
        if await steadily(parts, session, lambda: _drop(parts, session, path)):
            break
    else:
        raise too_busy(session)
    await sweep(parts, session)


async def _drop(parts: StoreParts, session: StoredSession, path: str) -> bool:
    if session.tree is None or session.row is None or path not in session.entries:
        return True
    doomed = doomed_packs(session.tree, 0, limit=parts.policy.max_packs, dropped=path)
    packs = await fetch_packs(parts, session, doomed)
    name = parts.next_pack(session.row.version + 1)
    session.logs.pop(path, None)
    return await commit(parts, session, Commit(draft_commit(name, session.tree, {}, doomed, packs, dropped=path), _cut))


def _cut(head: StoreHead, refs: tuple[PackRef, ...]) -> StoreHead:
    return replace(next_head(head, refs, (), mtime=0, fold=None, project=""), cuts=head.cuts + 1)


async def sweep_store(parts: StoreParts) -> int:
    """Remove what nobody can load: sessions past their time, erasures that were cut short, packs without a session.

    Returns how many of them there were.
    """
    objects = await list_all(parts.objects, PREFIX, parts.clock)
    rows = await scan_all(parts.table, "", parts.clock)
    dead = [row for row in rows if living_head(row, parts.clock.now()) is None]
    for row in dead:
        await _bury(parts, row)
    kept = {head_of(row).packs_id for row in rows}
    old = parts.clock.now() - GRACE
    headless = {info.key.split("/")[1] for info in objects if info.modified_at < old} - kept
    for packs_id in headless:
        await remove_packs(parts, SessionId(packs_id))
    return len(dead) + len(headless)
