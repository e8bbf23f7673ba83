"""Back to an earlier session: a key pointed at one that it had before."""

from __future__ import annotations

from outlive.core.keys import SessionId, SessionKey, mapping_key
from outlive.core.sessions import Head
from outlive.errors import NotFound
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.flows.turn.find_session import find_head, point_key


async def resume_session(engine: Engine, key: SessionKey, session_id: SessionId) -> Head:
    """Point the key at a session that was made for it; `NotFound` for any other, which chats must not reach.

    What the key pointed at becomes a former session of it, so a message that was answered there is not run again here.
    """
    stores = engine.stores(key.tenant)
    head = await find_head(engine, stores, session_id)
    if head.key != str(key):
        raise NotFound("that session is not one of this chat.", fix="/sessions lists them.")
    row = await retrying(lambda: stores.table.read(mapping_key(key)), engine.clock)
    await point_key(engine, stores, key, session_id, row)
    return head
