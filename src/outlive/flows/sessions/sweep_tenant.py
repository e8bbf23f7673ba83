"""All sessions of a tenant swept, and what nobody will come back for removed."""

from __future__ import annotations

from dataclasses import dataclass, field

from outlive.core.erased_heads import ARRIVAL, is_marker
from outlive.core.keys import SessionId
from outlive.core.sessions import Head, decode_head
from outlive.core.turns import CLOCK_MARGIN
from outlive.errors import Conflict, Corrupt, NotFound, Unavailable
from outlive.flows.delivery.keep_uploads import sweep_uploads
from outlive.flows.engine import Engine
from outlive.flows.knowledge.keep_archive import collect_turns
from outlive.flows.knowledge.message_log import delete_messages, sessions_with_messages
from outlive.flows.knowledge.tool_cache import expired_results
from outlive.flows.limits.statistics import count_anew
from outlive.flows.progress import Progress, unwatched
from outlive.flows.sessions.apply_retention import Retained, apply_retention
from outlive.flows.sessions.erase_many import sessions_with_packs
from outlive.flows.sessions.erase_session import erase_held
from outlive.flows.sessions.find_sessions import id_of, scan_heads, sessions_of_tenant
from outlive.flows.sessions.find_tasks import expired_tasks
from outlive.flows.sessions.scan_mappings import Pointer, remove_row, scan_mappings
from outlive.flows.sessions.session_notes import sweep_notes
from outlive.flows.sessions.sweep_session import GRACE, remove_objects, sweep_session
from outlive.flows.sessions.walk_history import list_packs
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.former_sessions import DAY
from outlive.flows.turn.hold_lease import release_quietly
from outlive.flows.turn.keep_debug import debug_objects
from outlive.flows.turn.share_memory import unnamed_contents
from outlive.flows.turn.take_session import take_session
from outlive.protocols import Row


@dataclass(slots=True)
class TenantSwept:
    """What a sweep of a tenant did."""

    sessions: int = 0
    """Swept and still there."""
    removed: int = 0
    """Packs."""
    removed_bytes: int = 0
    expired: list[SessionId] = field(default_factory=list)
    """Erased because their time is over, or because a cut-off erase had left them."""
    abandoned: list[SessionId] = field(default_factory=list)
    """Erased because they never had a turn and no key points at them."""
    headless: list[SessionId] = field(default_factory=list)
    """Packs and messages without a session, removed: written by a worker that hung while its session was erased."""
    mappings: int = 0
    """Expired ones, removed."""
    tasks: int = 0
    """Expired ones, removed."""
    notes: int = 0
    """Contents of the agents' memory that nothing names, removed."""
    records: int = 0
    """Expired ones, removed: live text, stops, link codes, audit, results of tools."""
    results: int = 0
    """Objects of large results of tools whose time is over, removed."""
    held: list[SessionId] = field(default_factory=list)
    """Due for removal, but a turn runs in them, or the archive that has to have them first is down."""
    damaged: list[str] = field(default_factory=list)
    """What is wrong with sessions that could not be swept; they are left as they are."""
    archived: int = 0
    """Turns put into the archive, where it has a place of its own."""
    archive_down: str = ""
    """Why nothing could be put there: what is not in it yet is not erased."""
    retained: Retained = field(default_factory=Retained)
    """What was older than its class is kept."""


async def sweep_tenant(engine: Engine, stores: TenantStores, *, progress: Progress = unwatched) -> TenantSwept:
    """Sweep every session, erase those that are over or were never used, remove what belongs to none.

    One session that is damaged or busy keeps nobody else's from being swept.
    """
    done = TenantSwept()
    await _collect(engine, stores, done)
    began = engine.clock.now()
    heads = await scan_heads(engine, stores)
    await count_anew(engine, stores, heads, began)
    pointers = await scan_mappings(engine, stores)
    for number, row in enumerate(heads, start=1):
        try:
            await _sweep(engine, stores, row, pointers, done)
        except Corrupt as error:
            done.damaged.append(str(error))
        except NotFound:
            pass  # erased by somebody else in the meantime
        progress(number, len(heads))
    await _sweep_headless(engine, stores, done)
    await _sweep_mappings(engine, stores, pointers, done)
    for row in await expired_tasks(engine, stores):
        done.tasks += await remove_row(engine, stores, row)
    unnamed = await unnamed_contents(engine, stores, engine.clock.now() - GRACE)
    await remove_objects(engine, stores, unnamed)
    done.notes = len(unnamed)
    done.records = await sweep_notes(engine, stores)
    if not done.archive_down:
        done.retained = await apply_retention(engine, stores)
    over = await expired_results(stores, engine.clock)
    await remove_objects(engine, stores, over)
    done.results = len(over)
    await sweep_uploads(engine, stores)
    return done


async def _collect(engine: Engine, stores: TenantStores, done: TenantSwept) -> None:
    """Sessions that are over are archived before they go; the ledgers keep the turns while the archive is down."""
    if engine.archive is None:
        return
    try:
        done.archived = (await collect_turns(engine, stores)).turns
    except Unavailable as error:
        done.archive_down = error.message


async def _sweep(engine: Engine, stores: TenantStores, row: Row, pointers: list[Pointer], done: TenantSwept) -> None:
    head = decode_head(row.body, row.key)
    if is_marker(head, stores.tenant) and head.created_at + ARRIVAL > engine.clock.now():
        return
    own = [each for each in pointers if each.mapping.session_id == id_of(row)]
    reason = _reason_to_erase(head, engine.clock.now(), is_pointed_at=bool(own))
    if reason == "expired" and done.archive_down:
        done.held.append(id_of(row))
    elif reason:
        await _erase(engine, stores, id_of(row), own, reason, done)
    if reason:
        return
    swept = await sweep_session(engine, stores, id_of(row))
    done.sessions += 1
    done.removed += swept.removed
    done.removed_bytes += swept.removed_bytes


def _reason_to_erase(head: Head, now: float, *, is_pointed_at: bool) -> str:
    if head.expires_at + CLOCK_MARGIN <= now:
        return "expired"
    is_unused = head.version == 0 and not is_pointed_at
    return "abandoned" if is_unused and head.updated_at + DAY <= now else ""


async def _erase(
    engine: Engine, stores: TenantStores, session_id: SessionId, own: list[Pointer], reason: str, done: TenantSwept
) -> None:
    try:
        lease = await take_session(engine, stores, session_id)
    except Conflict:
        done.held.append(session_id)
        return
    if _reason_to_erase(lease.head, engine.clock.now(), is_pointed_at=bool(own)) != reason:
        await release_quietly(lease)  # it was used since it was listed
        return
    await erase_held(engine, stores, session_id, lease, own)
    (done.expired if reason == "expired" else done.abandoned).append(session_id)


async def _sweep_headless(engine: Engine, stores: TenantStores, done: TenantSwept) -> None:
    """A session's head is written before its first part and removed after its last: without one, they are nobody's."""
    with_parts = {*await sessions_with_packs(engine, stores), *await sessions_with_messages(engine, stores)}
    known = set(await sessions_of_tenant(engine, stores))
    for session_id in sorted(with_parts):
        if session_id in known:
            continue
        packs = await list_packs(engine, stores, session_id)
        left = [*packs.values(), *await debug_objects(engine, stores, session_id)]
        if any(info.modified_at + GRACE > engine.clock.now() for info in left):
            continue
        await remove_objects(engine, stores, [info.key for info in left])
        await delete_messages(engine, stores, session_id)
        done.headless.append(session_id)


async def _sweep_mappings(engine: Engine, stores: TenantStores, pointers: list[Pointer], done: TenantSwept) -> None:
    for each in pointers:
        if each.mapping.ttl + DAY + CLOCK_MARGIN <= engine.clock.now():
            done.mappings += await remove_row(engine, stores, each.row)
