"""A new session whose first version is a tree that exists already: a fork, an import."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from outlive.core.erased_heads import ARRIVAL
from outlive.core.keys import SessionId, SessionKey, mapping_key
from outlive.core.message_log import LoggedMessage
from outlive.core.sessions import Head, KeyMapping, decode_mapping
from outlive.core.turns import CLOCK_MARGIN
from outlive.errors import AlreadyExists, Conflict, LeaseLost, NotFound, Refused, Unavailable
from outlive.flows.engine import Engine
from outlive.flows.knowledge.carry_messages import put_messages
from outlive.flows.knowledge.message_log import delete_messages
from outlive.flows.retry import retrying
from outlive.flows.sessions.erase_session import emptied, remove_or_mark
from outlive.flows.sessions.walk_history import list_packs
from outlive.flows.sessions.write_tree import NewFile, PackParts, put_files, store_tree
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_session import find_head, point_key
from outlive.flows.turn.former_sessions import DAY, unpoint_key, write_mapping
from outlive.flows.turn.hold_lease import Lease, create, renewed
from outlive.protocols import Row

ATTEMPTS = 3

Fill = Callable[[Lease], Awaitable[Head]]
"""Writes the first version's pack under the new session's lease, and returns the head that names it."""


async def create_session(
    engine: Engine, stores: TenantStores, keys: Sequence[SessionKey], head: Head, fill: Fill
) -> Head:
    """Make the session, fill it, then point the keys at it; all of it is taken back when a step fails.

    `Refused` for a key of another tenant, `AlreadyExists` for one that has a session. The head is there, empty and
    held, before its pack is, so a sweep never takes the pack of a session in the making for an orphan.
    """
    rows = [await free_mapping(engine, stores, key) for key in keys]
    lease = await create(engine, stores.table, head)
    pointed: list[SessionKey] = []
    try:
        async with renewed(engine, lease):
            await lease.commit(await fill(lease))
        for key, row in zip(keys, rows, strict=True):
            pointed.append(key)
            await point_key(engine, stores, key, head.session_id, row)
        await lease.release()
    except BaseException as error:
        in_doubt = not isinstance(error, Conflict)
        await asyncio.shield(_take_back(engine, stores, pointed, lease, in_doubt=in_doubt))
        raise
    return lease.head


async def create_from_files(
    engine: Engine,
    stores: TenantStores,
    keys: Sequence[SessionKey],
    head: Head,
    files: Mapping[str, NewFile],
    *,
    source: str,
    messages: Sequence[LoggedMessage] = (),
) -> Head:
    """Make a session whose first version holds these files; `head` is its head but for version and packs.

    `messages` are those that were appended to it, with their ids.
    """

    async def fill(lease: Lease) -> Head:
        pack = PackParts(lease.next_pack())
        entries = put_files(files, pack)
        labels = {
            "kind": "import",
            "previous": None,
            "agent_session_id": head.agent_session_id,
            "from": {"source": source},
        }
        packs = await store_tree(engine, stores, head.session_id, entries, pack, labels=labels)
        await put_messages(engine, stores, head.session_id, messages)
        return replace(lease.head, version=1, lineage=1, packs=packs, clean_fence=lease.fence)

    return await create_session(engine, stores, keys, head, fill)


async def free_mapping(engine: Engine, stores: TenantStores, key: SessionKey) -> Row | None:
    """The record of a key that may be pointed at a new session, None when there is none yet."""
    if key.tenant != stores.tenant:
        raise Refused(f"session key {key} belongs to tenant {key.tenant}, not {stores.tenant}.")
    name = mapping_key(key)
    row = await retrying(lambda: stores.table.read(name), engine.clock)
    mapping = decode_mapping(row.body, row.key) if row else None
    if (
        mapping
        and mapping.session_id
        and mapping.ttl + DAY > engine.clock.now()
        and await _exists(engine, stores, mapping.session_id)
    ):
        raise AlreadyExists(f"session key {key} has session {mapping.session_id} already.", fix="Choose another key.")
    return row


async def _exists(engine: Engine, stores: TenantStores, session_id: SessionId) -> bool:
    try:
        await find_head(engine, stores, session_id)
    except NotFound:
        return False
    return True


async def _take_back(
    engine: Engine, stores: TenantStores, keys: Sequence[SessionKey], lease: Lease, *, in_doubt: bool
) -> None:
    """Mappings, packs, head, in this order: no key ever points at a session that is not there.

    The head is emptied first, its time over: it never names a pack that is gone, and what cannot be taken back now is
    a session that a sweep removes. `keys` are those whose mapping was written, whatever became of it.
    """
    session_id = lease.head.session_id
    with suppress(Unavailable, LeaseLost):
        for key in keys:
            await _unpoint(engine, stores, key, session_id, in_doubt=in_doubt)
        await lease.commit(emptied(engine, lease.head))
        packs = await list_packs(engine, stores, session_id)
        await stores.objects.delete([info.key for info in packs.values()])
        await delete_messages(engine, stores, session_id)
        await remove_or_mark(engine, stores, lease, is_open=lease.may_be_made_again)


async def _unpoint(
    engine: Engine, stores: TenantStores, key: SessionKey, session_id: SessionId, *, in_doubt: bool
) -> None:
    """Take the session out of the key's mapping; `in_doubt` when a write that puts it there may still be on its way.

    That one is to find another record than it expects.
    """
    for _ in range(ATTEMPTS):
        row = await retrying(lambda: stores.table.read(mapping_key(key)), engine.clock)
        with suppress(Conflict):  # it has come just now, or somebody else's has
            if row is None:
                if in_doubt:
                    await _occupy(engine, stores, key)
            elif (mapping := decode_mapping(row.body, row.key)).session_id == session_id:
                await unpoint_key(engine, stores, row, session_id)
            elif in_doubt:
                await write_mapping(stores, mapping, row)
            return


async def _occupy(engine: Engine, stores: TenantStores, key: SessionKey) -> None:
    """A mapping that points nowhere, for as long as the one that had no answer may arrive; a sweep removes it."""
    now = engine.clock.now()
    until = now + ARRIVAL - CLOCK_MARGIN - DAY
    mapping = KeyMapping(str(key), SessionId(""), key.chat_id, key.thread_id, now, now, until)
    await retrying(lambda: write_mapping(stores, mapping, None), engine.clock)
