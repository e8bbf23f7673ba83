"""What is kept beside the sessions, removed class by class once it is older than the policy keeps it."""

from __future__ import annotations

from dataclasses import dataclass

from outlive.core.audit_chain import CONVERSATIONS
from outlive.core.keys import parse_session_key
from outlive.core.retention import cut_off
from outlive.core.tool_cache import BLOBS, ENTRIES
from outlive.errors import Invalid, NotFound
from outlive.flows.engine import Engine
from outlive.flows.knowledge.cut_archive import cut_audit
from outlive.flows.list_all import list_all, scan_all
from outlive.flows.retry import retrying
from outlive.flows.sessions.scan_mappings import remove_row
from outlive.flows.sessions.sweep_session import remove_from
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import DeadLetter, Objects

DEBUG = "/debug/"
PAGE = 100


@dataclass(frozen=True, slots=True)
class Retained:
    """How much was over, by class."""

    audit: int = 0
    """Segments of the log."""
    transcripts: int = 0
    """Objects of the archive."""
    debug: int = 0
    """Logs."""
    dead_letters: int = 0
    cache: int = 0
    """Records and large results."""


async def apply_retention(engine: Engine, stores: TenantStores) -> Retained:
    """Remove what is older than `policy.retention` says; a class that is kept for ever costs no request."""
    keep, now = engine.policy.retention, engine.clock.now()
    return Retained(
        audit=await _audit(engine, stores, cut_off(keep.audit_days, now)),
        transcripts=await _objects(engine, stores.archive, CONVERSATIONS, cut_off(keep.transcript_days, now)),
        debug=await _objects(engine, stores.objects, "sessions/", cut_off(keep.debug_days, now), part=DEBUG),
        dead_letters=await _dead_letters(engine, stores, cut_off(keep.dead_letter_days, now)),
        cache=await _cache(engine, stores, cut_off(keep.cache_days, now)),
    )


async def _audit(engine: Engine, stores: TenantStores, before: float) -> int:
    return await cut_audit(engine, stores, before) if before > 0 else 0


async def _objects(engine: Engine, objects: Objects, prefix: str, before: float, *, part: str = "") -> int:
    if before <= 0:
        return 0
    listed = await list_all(objects, prefix, engine.clock)
    old = [info.key for info in listed if info.modified_at < before and part in info.key]
    await remove_from(objects, engine.clock, old)
    return len(old)


async def _cache(engine: Engine, stores: TenantStores, before: float) -> int:
    """A result whose record still names it counts as missing, and is asked anew."""
    removed = await _objects(engine, stores.objects, BLOBS, before)
    if before > 0:
        for row in await scan_all(stores.table, ENTRIES, engine.clock):
            if row.expires_at is not None and row.expires_at < before:
                removed += await remove_row(engine, stores, row)
    return removed


async def _dead_letters(engine: Engine, stores: TenantStores, before: float) -> int:
    if before <= 0:
        return 0
    removed, after = 0, ""
    while page := await retrying(lambda: engine.queue.dead_letters(after=after, limit=PAGE), engine.clock):  # noqa: B023 - called at once
        for letter in page:
            if letter.died_at < before and _is_ours(letter, stores):
                removed += await _purge(engine, letter)
        after = page[-1].id
    return removed


def _is_ours(letter: DeadLetter, stores: TenantStores) -> bool:
    try:
        return parse_session_key(letter.message.group).tenant == stores.tenant
    except Invalid:  # no session's message: nobody's to judge
        return False


async def _purge(engine: Engine, letter: DeadLetter) -> bool:
    try:
        await retrying(lambda: engine.queue.purge(letter.id), engine.clock)
    except NotFound:  # somebody has just sent it again, or removed it
        return False
    return True
