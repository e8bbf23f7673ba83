"""A session removed from every tier, with a receipt of what was found and what is left.

Order, so that an erase that was cut off is finished by the next one or by a sweep, and no turn starts in between: the
head becomes an empty one whose time is over (nobody reads or runs the session from then on), then go the mappings, the
packs, the appended messages and the local tree, and the head last. The lease is held throughout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from outlive.core import erased_heads
from outlive.core.erased_heads import is_marker, marker, may_still_arrive
from outlive.core.keys import SessionId, head_key
from outlive.core.sessions import Head, decode_head
from outlive.errors import Corrupt, Invalid, LeaseLost, NotFound, SchemaTooNew, Unavailable
from outlive.flows.engine import Engine
from outlive.flows.knowledge.message_log import StoredMessages, delete_messages, stored_messages
from outlive.flows.progress import Progress, unwatched
from outlive.flows.retry import retrying
from outlive.flows.sessions.find_tasks import tasks_of
from outlive.flows.sessions.list_sessions import is_held
from outlive.flows.sessions.scan_mappings import Pointer, pointers_to_erase, remove_row
from outlive.flows.sessions.session_notes import session_notes
from outlive.flows.sessions.sweep_session import conversations_of, remove_from, remove_objects
from outlive.flows.sessions.walk_history import list_packs
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.former_sessions import unpoint_key
from outlive.flows.turn.hold_lease import Lease, release_quietly, renewed
from outlive.flows.turn.keep_debug import debug_objects
from outlive.flows.turn.keep_trace import trace_row
from outlive.flows.turn.take_session import PATIENCE, take_session
from outlive.protocols import FileStat, ObjectInfo, Row, Workspace

ROUNDS = 3
"""How often an erase looks again, and removes what came in between."""
TIERS = (
    "mappings", "tasks", "packs", "messages", "debug logs", "traces", "archived conversations", "files on this machine",
    "records", "heads",
)  # fmt: skip
NOT_COVERED = (
    "messages still in the queue (one that is delivered later starts a new, empty session)",
    "working copies on other machines (never used again, and replaced when their place is needed)",
    "an empty record of the session's id, for hours, where a write that makes the session may still be on its way",
    "copies in the hot tier of a server that is down, or in the memory of another process (gone after 15 minutes)",
)


@dataclass(frozen=True, slots=True)
class Tier:
    """One place where bytes of the session lay."""

    name: str
    found: int
    bytes: int
    left: int
    """Counted by listing again after everything was removed."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an erase found, and what listing it all again found afterwards."""

    erased: tuple[SessionId, ...]
    tiers: tuple[Tier, ...]
    held: tuple[SessionId, ...] = ()
    """Sessions that were left alone, because a turn runs in them."""
    not_covered: tuple[str, ...] = NOT_COVERED

    @property
    def complete(self) -> bool:
        """Nothing is left."""
        return not self.held and not any(tier.left for tier in self.tiers)


@dataclass(frozen=True, slots=True)
class Found:
    """Everything there is of one session."""

    session_id: SessionId
    head: Row | None
    pointers: Sequence[Pointer]
    packs: Sequence[ObjectInfo]
    files: Sequence[FileStat] = ()
    """Of the tree on this machine."""
    tasks: Sequence[Row] = ()
    logs: Sequence[ObjectInfo] = ()
    notes: Sequence[Row] = ()
    """Live text, stops, replies that were given up."""
    messages: StoredMessages = field(default_factory=StoredMessages)
    trace: Row | None = None
    archived: Sequence[ObjectInfo] = ()
    """Conversations; the audit log holds no content, and keeps that there was a session."""

    def sizes(self) -> dict[str, list[int]]:
        """Bytes of each thing found, by tier."""
        mappings = [len(pointer.row.body) for pointer in self.pointers]
        tasks = [len(row.body) for row in self.tasks]
        packs = [info.size for info in self.packs]
        logs = [info.size for info in self.logs]
        files = [stat.size for stat in self.files]
        notes = [len(row.body) for row in self.notes]
        traces = [len(self.trace.body)] if self.trace else []
        heads = [len(self.head.body)] if self.head else []
        archived = [info.size for info in self.archived]
        found = (mappings, tasks, packs, self.messages.sizes, logs, traces, archived, files, notes, heads)
        return dict(zip(TIERS, found, strict=True))


async def erase_session(
    engine: Engine, stores: TenantStores, session_id: SessionId, *, force: bool = False, progress: Progress = unwatched
) -> Receipt:
    """Remove mappings, tasks, packs (flushes and orphans included), the local tree and the head; twice is once.

    `Conflict` while a turn runs. With `force` the turn loses its lease instead, and the erase waits one lease time, so
    that a worker that is alive has noticed and stopped writing; what one that hangs writes later, a sweep removes.
    """
    found: list[Found] = []
    for _ in range(ROUNDS):
        lease = await take_for_erase(engine, stores, session_id, force=force)
        pointers = await pointers_to_erase(engine, stores, session_id)
        found.append(await erase_held(engine, stores, session_id, lease, pointers, progress=progress))
        left = await look(engine, stores, session_id, await pointers_to_erase(engine, stores, session_id))
        if not any(left.sizes().values()):
            break
    local = await wipe_local(engine, stores, session_id)
    return receipt([session_id], [*found, local.before], [left, local.after])


async def take_for_erase(engine: Engine, stores: TenantStores, session_id: SessionId, *, force: bool) -> Lease | None:
    """The lease; None without a head that anybody could run; `Conflict` while a turn runs and is not to be stopped."""
    row = await _row(engine, stores, session_id)
    fix = "Wait for the turn to end, or erase with --force."
    try:
        lease = await take_session(engine, stores, session_id, force=force, patience=PATIENCE, fix=fix) if row else None
    except (NotFound, Corrupt):
        return None
    if lease and row and force and is_held(row, engine.clock.now()):
        async with renewed(engine, lease):
            await engine.clock.sleep(engine.policy.lease_seconds)
    return lease


async def erase_held(
    engine: Engine,
    stores: TenantStores,
    session_id: SessionId,
    lease: Lease | None,
    pointers: Sequence[Pointer],
    *,
    progress: Progress = unwatched,
) -> Found:
    """Erase a session whose lease has been taken from the stores; `pointers` are the mappings that point at it."""
    found = await look(engine, stores, session_id, pointers)
    if lease is None:
        await _remove(engine, stores, found, progress)
        if found.head is not None:
            await remove_row(engine, stores, found.head)
        return found
    is_open = may_still_arrive(lease.head, lease.fence, engine.clock.now())
    try:
        async with renewed(engine, lease):
            await lease.commit(emptied(engine, lease.head))
            await _remove(engine, stores, found, progress)
        await remove_or_mark(engine, stores, lease, is_open=is_open)
    except BaseException:
        await asyncio.shield(release_quietly(lease))
        raise
    return found


async def remove_or_mark(engine: Engine, stores: TenantStores, lease: Lease, *, is_open: bool) -> None:
    """Delete the emptied head; without an answer, look whether it is gone.

    Where a write that makes the session `is_open`, it would find nothing in its place then: a marker stays, which a
    sweep removes when nothing can be on its way any more.
    """
    try:
        await (lease.release(marker(lease.head, stores.tenant)) if is_open else lease.remove())
    except (LeaseLost, Unavailable):
        if await _row(engine, stores, lease.head.session_id) is not None:
            raise


async def _row(engine: Engine, stores: TenantStores, session_id: SessionId) -> Row | None:
    """The head's record; None without one, or where it says no more than that there was one."""
    row = await retrying(lambda: stores.table.read(head_key(session_id)), engine.clock)
    return None if row is None or _says_nothing(row, stores) else row


def _says_nothing(row: Row, stores: TenantStores) -> bool:
    try:
        return is_marker(decode_head(row.body, row.key), stores.tenant)
    except (Corrupt, SchemaTooNew):
        return False


def emptied(engine: Engine, head: Head) -> Head:
    """The head without anything the session held."""
    return erased_heads.emptied(head, engine.clock.now())


async def look(engine: Engine, stores: TenantStores, session_id: SessionId, pointers: Sequence[Pointer]) -> Found:
    """What there is of the session now."""
    row = await _row(engine, stores, session_id)
    packs = await list_packs(engine, stores, session_id)
    tasks = await tasks_of(engine, stores, session_id)
    logs = await debug_objects(engine, stores, session_id)
    notes = await session_notes(engine, stores, session_id)
    messages = await stored_messages(engine, stores, session_id)
    trace = await trace_row(engine, stores, session_id)
    return Found(
        session_id,
        row,
        pointers,
        list(packs.values()),
        tasks=tasks,
        logs=logs,
        notes=notes,
        messages=messages,
        trace=trace,
        archived=await conversations_of(engine, stores, session_id),
    )


@dataclass(frozen=True, slots=True)
class Wiped:
    """The session's tree on this machine, and what is left of it."""

    before: Found
    after: Found


async def wipe_local(engine: Engine, stores: TenantStores, session_id: SessionId) -> Wiped:
    """Empty the session's tree on this machine."""
    workspace = await engine.workspaces.open(stores.tenant, session_id)
    try:
        await engine.agent.drop(workspace.root)
        before = await _files(workspace)
        await workspace.wipe()
        after = await _files(workspace)
    finally:
        await workspace.close()
    return Wiped(Found(session_id, None, (), (), before), Found(session_id, None, (), (), after))


async def _files(workspace: Workspace) -> Sequence[FileStat]:
    try:
        return await workspace.scan()
    except Invalid as error:  # too large, or with a file in it that no version can hold: there is something
        return [FileStat(str(error), "file", 0, 0, "")]


async def _remove(engine: Engine, stores: TenantStores, found: Found, progress: Progress) -> None:
    for pointer in found.pointers:
        await unpoint_key(engine, stores, pointer.row, found.session_id)
    for row in (*found.tasks, *found.notes, *([found.trace] if found.trace else [])):
        await remove_row(engine, stores, row)
    await remove_objects(engine, stores, [info.key for info in (*found.packs, *found.logs)], progress)
    await remove_from(stores.archive, engine.clock, [info.key for info in found.archived])
    if found.messages.sizes:
        await delete_messages(engine, stores, found.session_id)


def receipt(
    erased: Sequence[SessionId], found: Sequence[Found], left: Sequence[Found], held: Sequence[SessionId] = ()
) -> Receipt:
    """What was found, added up over all sessions and rounds, beside what is left."""
    tiers = tuple(_tier(name, found, left) for name in TIERS)
    return Receipt(tuple(erased), tiers, tuple(held))


def _tier(name: str, found: Sequence[Found], left: Sequence[Found]) -> Tier:
    sizes = [size for each in found for size in each.sizes()[name]]
    return Tier(name, len(sizes), sum(sizes), sum(len(each.sizes()[name]) for each in left))
