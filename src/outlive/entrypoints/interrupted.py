"""The message of a turn that a dead worker left unfinished."""

from __future__ import annotations

from outlive.core.keys import SessionKey
from outlive.core.ledger import PATH, lines_of
from outlive.core.messages import Inbound, decode_inbound
from outlive.core.sessions import Head
from outlive.core.turns import Flush
from outlive.errors import NotFound
from outlive.flows.engine import Engine
from outlive.flows.sessions.walk_history import at_latest, read_entry
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_flushes import find_flushes
from outlive.flows.turn.find_session import find_session
from outlive.flows.turn.read_packs import pack_reader, stored_tree


async def interrupted_message(engine: Engine, stores: TenantStores, key: SessionKey) -> Inbound | None:
    """The message whose turn was flushed but not committed; None without one. Asked again, it is finished."""

    async def read(head: Head) -> Inbound | None:
        flushes = await find_flushes(engine, stores, head)
        if not flushes:
            return None
        newest = max(flushes, key=lambda flush: (flush.fence, flush.ref.name))
        return await _message(engine, stores, head, key, newest)

    try:
        return await at_latest(engine, stores, await find_session(engine, stores, key), read)
    except NotFound:
        return None


async def _message(engine: Engine, stores: TenantStores, head: Head, key: SessionKey, flush: Flush) -> Inbound:
    """From the flush itself, or, when only the commit was missing, from the ledger line that it would have added."""
    if flush.message:
        return decode_inbound(flush.message.encode())
    reader = pack_reader(engine, stores, head.session_id)
    pack, ref = await reader.named(flush.ref.name)
    tree = (await stored_tree(reader, ref, pack)).manifest
    *_, line = lines_of(await read_entry(engine, stores, head.session_id, tree, PATH))
    return Inbound(key, line.message_id, line.text, line.at, line.sender)
