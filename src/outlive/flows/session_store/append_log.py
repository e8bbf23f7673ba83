"""Entries becoming durable: queued in the order of the calls, never past a hole, never twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from outlive.core.keys import SessionId
from outlive.core.packs import PackRef
from outlive.core.store_heads import Drafted, StoreHead, doomed_packs, draft_commit, next_head
from outlive.core.store_logs import MAIN, Batch, Line, fresh_lines
from outlive.core.trees import TreeState
from outlive.errors import Corrupt, LeaseLost, Unavailable
from outlive.flows.session_store.commit_log import CONFLICTS, Commit, commit, settle_doubts, too_busy
from outlive.flows.session_store.erase_log import look_past_the_dead
from outlive.flows.session_store.parts import StoreParts
from outlive.flows.session_store.read_log import fetch_packs, has_moved, known_uuids
from outlive.flows.session_store.stored_sessions import StoredSession


async def append(parts: StoreParts, session: StoredSession, batch: Batch) -> None:
    """Store a batch behind all that were appended before it, those that failed included.

    `Unavailable` when it could not be stored yet: it stays queued, and an equal batch right after is taken for the
    caller's retry of it. `LeaseLost` when it is refused.
    """
    queued = await _enqueue(parts, session, batch)
    try:
        async with parts.holding(session):
            await flush_backlog(parts, session)
    except (Unavailable, TimeoutError) as error:  # the SDK takes a TimeoutError for the end and tries no more
        session.failed = queued
        why = f"{error} The entries are kept in memory and stored with the next ones."
        raise Unavailable(why, original=error) from error
    except LeaseLost:  # nothing of it waits any more: the same batch again, after a load, is a new one
        raise
    except BaseException:  # cancelled as well: the caller has heard of no success, so it may come again
        session.failed = queued
        raise


async def _enqueue(parts: StoreParts, session: StoredSession, batch: Batch) -> Batch:
    """Nothing is awaited while there is room: batches are queued in the order of the calls."""
    failed, session.failed = session.failed, None
    if failed and failed.digest == batch.digest:
        return failed
    if session.dropped and session.dropped[-1] == batch.digest:  # the caller's retry of what was refused
        session.dropped.pop()
    held = sum(queued.size for queued in session.backlog)
    if held and held + batch.size > parts.policy.backlog_bytes:
        await _make_room(parts, session, batch)
    session.backlog.append(batch)
    return batch


async def _make_room(parts: StoreParts, session: StoredSession, batch: Batch) -> None:
    """Store what waits, or refuse the batch and remember that it was."""
    session.dropped.append(batch.digest)
    try:
        async with parts.holding(session):
            await flush_backlog(parts, session)
    except (Unavailable, TimeoutError) as error:
        raise no_room(session) from error
    session.dropped.remove(batch.digest)


def no_room(session: StoredSession) -> Unavailable:
    """Entries that could neither be stored nor be kept in memory."""
    return Unavailable(
        f"Entries of session {session.session!r} were refused: too many wait for the backend.",
        fix="When the backend is back, import the session from the machine that ran it.",
    )


async def flush_backlog(parts: StoreParts, session: StoredSession) -> None:
    """Store everything queued; the caller holds the session. `LeaseLost` when the session refuses it."""
    if not session.backlog and not session.refused:
        return
    try:
        for _ in range(CONFLICTS):
            if await _flush(parts, session):
                return
    except LeaseLost:
        session.refused, session.failed = True, None
        session.backlog.clear()
        session.doubts.clear()
        raise
    raise too_busy(session)


async def _flush(parts: StoreParts, session: StoredSession) -> bool:
    """One try; False when it has to be made again, because somebody else was first or may have been."""
    if session.refused:
        raise _lost(session)
    is_old_news = session.current and not session.is_dead
    try:
        if not is_old_news:
            await look_past_the_dead(parts, session)
            _check_claim(parts, session)
            await settle_doubts(parts, session)
        fresh = await _fresh(parts, session)
        drafted = await _draft(parts, session, fresh) if fresh.lines else None
    except Corrupt:
        if await has_moved(parts, session):
            return False
        raise
    if drafted:
        return await commit(
            parts, session, Commit(drafted, _head_with(parts, session, fresh), fresh.batches, fresh.added)
        )
    if is_old_news:  # all of it was there when this process last looked, but another may have deleted it since
        session.current = False
        return False
    del session.backlog[: fresh.batches]
    return True


def _check_claim(parts: StoreParts, session: StoredSession) -> None:
    """A single writer builds on nothing but what it has seen, or on a commit of its own that was not answered."""
    ours = session.head is not None and session.head.commits[-1] in [doubt.name for doubt in session.doubts]
    if parts.policy.single_writer and session.claim not in (None, session.seen) and not ours:
        raise _lost(session)
    session.claim = session.seen


def _lost(session: StoredSession) -> LeaseLost:
    return LeaseLost(
        f"session {session.session!r} was changed by another writer; nothing of this append was stored.",
        fix="Load the session again and go on from there.",
    )


@dataclass(frozen=True, slots=True)
class _Fresh:
    """What the backlog holds that the session does not."""

    lines: Mapping[str, Sequence[Line]]
    added: Mapping[str, set[str]]
    """The uuids in them, log by log."""
    batches: int


async def _fresh(parts: StoreParts, session: StoredSession) -> _Fresh:
    batches = list(session.backlog)
    added: dict[str, set[str]] = {}
    lines: dict[str, list[Line]] = {}
    for batch in batches:
        known = await known_uuids(parts, session, batch.path)
        if fresh := fresh_lines(batch, known, added.setdefault(batch.path, set())):
            lines.setdefault(batch.path, []).extend(fresh)
    return _Fresh(lines, {path: added[path] for path in lines}, len(batches))


async def _draft(parts: StoreParts, session: StoredSession, fresh: _Fresh) -> Drafted:
    state = session.tree or TreeState(SessionId(""), 0)
    size = sum(len(line.data) for lines in fresh.lines.values() for line in lines)
    doomed = doomed_packs(state, size, limit=parts.policy.max_packs)
    packs = await fetch_packs(parts, session, doomed)
    name = parts.next_pack(session.row.version + 1 if session.row else 1)
    return draft_commit(name, state, fresh.lines, doomed, packs)


def _head_with(
    parts: StoreParts, session: StoredSession, fresh: _Fresh
) -> Callable[[StoreHead, tuple[PackRef, ...]], StoreHead]:
    def after(head: StoreHead, refs: tuple[PackRef, ...]) -> StoreHead:
        main, mtime = fresh.lines.get(MAIN, ()), parts.stamp(head.mtime)
        return next_head(head, refs, main, mtime=mtime, fold=parts.fold, project=session.project)

    return after
