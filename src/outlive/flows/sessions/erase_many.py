"""Every session of a user, or everything of a tenant, removed: one session after the other, and a last look."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from outlive.core.keys import SessionId, parse_session_id
from outlive.core.outbox import OUTBOXES
from outlive.core.schedules import SCHEDULES
from outlive.core.tenant_keys import KeyRecord
from outlive.errors import Conflict, Invalid, VersionConflict
from outlive.flows.delivery.tell_dead import TOLD
from outlive.flows.engine import Engine
from outlive.flows.list_all import list_all, scan_all
from outlive.flows.progress import Progress, unwatched
from outlive.flows.retry import retrying
from outlive.flows.sessions.erase_session import (
    ROUNDS,
    Found,
    Receipt,
    Tier,
    erase_held,
    look,
    receipt,
    take_for_erase,
    wipe_local,
)
from outlive.flows.sessions.find_sessions import sessions_of_tenant, sessions_of_user
from outlive.flows.sessions.scan_mappings import Pointer, remove_row, scan_mappings
from outlive.flows.sessions.sweep_session import remove_from
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import At, Objects, Row, TenantKeys

SESSIONS = "sessions/"


async def erase_user(
    engine: Engine,
    stores: TenantStores,
    chat_id: str,
    *,
    channel: str | None = None,
    force: bool = False,
    progress: Progress = unwatched,
) -> Receipt:
    """Erase every session of this chat id; those in which a turn runs are named in the receipt and left alone.

    What the user wrote in other people's chats stays there: those are sessions of their own.
    """
    ids = await sessions_of_user(engine, stores, chat_id, channel)
    return await _erase_all(engine, stores, ids, force=force, progress=progress)


async def erase_tenant(
    engine: Engine, stores: TenantStores, *, force: bool = False, progress: Progress = unwatched
) -> Receipt:
    """Erase every session of the tenant, then whatever else lies below its prefix, dictionaries included.

    While a session is left alone because a turn runs in it, the rest below the prefix stays as well: it may need it.
    Where the stores are encrypted the tenant's keys are destroyed in the end, and with them every backup; nothing is
    written for the tenant meanwhile.
    """
    if engine.keys is None:
        return await _erase_tenant(engine, stores, force=force, progress=progress)
    return await _erase_sealed(engine, engine.keys, stores, force=force, progress=progress)


async def _erase_sealed(
    engine: Engine, keys: TenantKeys, stores: TenantStores, *, force: bool, progress: Progress
) -> Receipt:
    """Others stop writing first: what they sealed with a key that is then destroyed would be lost."""
    await keys.close_tenant(stores.tenant)
    before = await keys.show(stores.tenant)
    if before.status == "destroyed":  # nothing can be read any more, so nothing is taken apart
        done = replace(receipt([], [], []), tiers=tuple(await _erase_rest(engine, stores)))
    else:
        done = await _erase_or_reopen(engine, keys, stores, force=force, progress=progress)
    if done.complete:
        done = replace(done, tiers=(*done.tiers, await _destroy(keys, stores, before)))
    if done.complete or before.status != "destroyed":
        await keys.reopen(stores.tenant)
    return done


async def _destroy(keys: TenantKeys, stores: TenantStores, before: KeyRecord) -> Tier:
    live = [key for key in before.keys if key.destroyed_at is None]
    after = await keys.destroy(stores.tenant)
    left = sum(key.destroyed_at is None for key in after.keys)
    return Tier("keys", len(live), sum(len(key.raw) for key in live), left)


async def _erase_or_reopen(
    engine: Engine, keys: TenantKeys, stores: TenantStores, *, force: bool, progress: Progress
) -> Receipt:
    """An erase that fails leaves the tenant as one without encryption would be: with what is left, and in use."""
    try:
        return await _erase_tenant(engine, stores, force=force, progress=progress)
    except BaseException:
        await asyncio.shield(keys.reopen(stores.tenant))
        raise


async def _erase_tenant(engine: Engine, stores: TenantStores, *, force: bool, progress: Progress) -> Receipt:
    ids = set(await sessions_of_tenant(engine, stores)) | set(await sessions_with_packs(engine, stores))
    done = await _erase_all(engine, stores, sorted(ids), force=force, progress=progress)
    return done if done.held else replace(done, tiers=(*done.tiers, *await _erase_rest(engine, stores)))


async def sessions_with_packs(engine: Engine, stores: TenantStores) -> list[SessionId]:
    """Every session below whose prefix packs lie, with a head or without."""
    found: set[SessionId] = set()
    for info in await list_all(stores.objects, SESSIONS, engine.clock):
        with suppress(Invalid):  # an object that no session made: nobody's to judge, and gone with the tenant
            found.add(parse_session_id(info.key.split("/")[1]))
    return sorted(found)


async def _erase_all(
    engine: Engine, stores: TenantStores, ids: Sequence[SessionId], *, force: bool, progress: Progress
) -> Receipt:
    pointers = await _by_session(engine, stores)
    found: list[Found] = []
    held: list[SessionId] = []
    for done, session_id in enumerate(ids, start=1):
        try:
            lease = await take_for_erase(engine, stores, session_id, force=force)
            found.append(await erase_held(engine, stores, session_id, lease, pointers[session_id]))
        except Conflict:
            held.append(session_id)
        progress(done, len(ids))
    erased = [each.session_id for each in found]
    after = await _by_session(engine, stores)
    left = [await look(engine, stores, session_id, after[session_id]) for session_id in erased]
    local = [await wipe_local(engine, stores, session_id) for session_id in erased]
    found += [each.before for each in local]
    return receipt(erased, found, [*left, *(each.after for each in local)], held)


async def _by_session(engine: Engine, stores: TenantStores) -> Mapping[SessionId, list[Pointer]]:
    pointers: dict[SessionId, list[Pointer]] = defaultdict(list)
    for each in await scan_mappings(engine, stores):
        for session_id in each.named():
            pointers[session_id].append(each)
    return pointers


async def _erase_rest(engine: Engine, stores: TenantStores) -> list[Tier]:
    """Records and objects of every other kind, and what began meanwhile.

    Objects go before records, as a session has its record before its first object: one that began while the tenant was
    erased loses its record, too, and never stays behind without its packs or their dictionary.
    """
    engine.tally.forget(stores.tenant)
    rounds: list[list[Tier]] = []
    while len(rounds) < ROUNDS:
        objects = await _remove_all(engine, stores.objects, "other objects")
        archived = await _remove_archive(engine, stores)
        records = await _remove_records(engine, stores)
        left = len(await list_all(stores.objects, "", engine.clock))
        rounds.append([records, replace(objects, left=left), archived])
        if not any(tier.left for tier in rounds[-1]):
            break
    return [_summed(tiers) for tiers in zip(*rounds, strict=True)]


def _summed(rounds: Sequence[Tier]) -> Tier:
    last = rounds[-1]
    return Tier(last.name, sum(tier.found for tier in rounds), sum(tier.bytes for tier in rounds), last.left)


async def _remove_records(engine: Engine, stores: TenantStores) -> Tier:
    rows = await scan_all(stores.table, "", engine.clock)
    for row in rows:
        await remove_row(engine, stores, row)
    served = await _served(engine, stores)
    for row in served:
        await _remove_served(engine, row)
    rows = [*rows, *served]
    left = len(await scan_all(stores.table, "", engine.clock)) + len(await _served(engine, stores))
    return Tier("other records", len(rows), sum(len(row.body) for row in rows), left)


async def _remove_archive(engine: Engine, stores: TenantStores) -> Tier:
    return Tier("archive", 0, 0, 0) if engine.archive is None else await _remove_all(engine, stores.archive, "archive")


async def _remove_all(engine: Engine, objects: Objects, name: str) -> Tier:
    """Every object below the tenant's prefix, and how many there are after they were removed."""
    found = await list_all(objects, "", engine.clock)
    await remove_from(objects, engine.clock, [info.key for info in found])
    return Tier(name, len(found), sum(info.size for info in found), len(await list_all(objects, "", engine.clock)))


async def _served(engine: Engine, stores: TenantStores) -> list[Row]:
    """What workers do for the tenant beside its turns: schedules, replies that wait, notes about dead letters."""
    return [
        row
        for prefix in (SCHEDULES, OUTBOXES, TOLD)
        for row in await scan_all(engine.table, f"{prefix}{stores.tenant}/", engine.clock)
    ]


async def _remove_served(engine: Engine, row: Row) -> None:
    at = At(row.version, row.fence)
    with suppress(VersionConflict):  # a worker has just dealt with it
        await retrying(lambda: engine.table.delete(row.key, expected=at), engine.clock)
