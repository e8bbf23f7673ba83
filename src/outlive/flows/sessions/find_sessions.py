"""Which sessions belong to a user or to a tenant."""

from __future__ import annotations

from outlive.core.keys import SessionId, check_part, parse_session_id, parse_session_key
from outlive.core.sessions import decode_head
from outlive.flows.engine import Engine
from outlive.flows.list_all import scan_all
from outlive.flows.sessions.list_sessions import HEADS
from outlive.flows.sessions.scan_mappings import scan_mappings
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Row


async def scan_heads(engine: Engine, stores: TenantStores) -> list[Row]:
    """The heads of all sessions, expired ones included."""
    return await scan_all(stores.table, HEADS, engine.clock)


async def sessions_of_tenant(engine: Engine, stores: TenantStores) -> list[SessionId]:
    """Every session that has a head, in order of ids."""
    return [id_of(row) for row in await scan_heads(engine, stores)]


async def sessions_of_user(
    engine: Engine, stores: TenantStores, chat_id: str, channel: str | None = None
) -> list[SessionId]:
    """Sessions made for this chat id (on one channel, or on any), and those that a key of it points at now.

    The chat id is the user wherever a channel keeps its chats, or its settings keep their keys, by user. `Corrupt`
    names a head that cannot be read: it might be one of them.
    """
    check_part("chat_id", chat_id)
    found = set()
    for row in await scan_heads(engine, stores):
        key = parse_session_key(decode_head(row.body, row.key).key)
        if key.chat_id == chat_id and channel in (None, key.channel):
            found.add(id_of(row))
    for each in await scan_mappings(engine, stores):
        key = parse_session_key(each.mapping.session_key)
        if key.chat_id == chat_id and channel in (None, key.channel):
            found |= {each.mapping.session_id} - {SessionId("")}
    return sorted(found)


def id_of(row: Row) -> SessionId:
    """The session of a head's record."""
    return parse_session_id(row.key.removeprefix(HEADS))
