"""A message that was answered in the session its key pointed at before is not run again in the one it points at now."""

from __future__ import annotations

import json

from outlive.core.keys import SessionId
from outlive.core.ledger import LedgerLine
from outlive.core.messages import Inbound
from outlive.core.turns import Known, look_up
from outlive.errors import NotFound
from outlive.flows.delivery.remember_outbox import remember_outbox
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_session import find_head
from outlive.flows.turn.hold_lease import Lease
from outlive.flows.turn.move_key import moved_key
from outlive.flows.turn.read_ledger import read_line


async def answered_elsewhere(engine: Engine, stores: TenantStores, lease: Lease, inbound: Inbound) -> LedgerLine | None:
    """The answer that the message had in the session its key pointed at before; a pending reply goes out from there.

    Looked up only for a message older than this session or than the key's way to it, or one of a linked key: one table
    read then. A message that has just made its session needs none.
    """
    head = lease.head
    is_first_turn = lease.fence == 1
    if is_first_turn or (inbound.sent_at >= max(head.created_at, lease.pointed_at) and head.key == str(inbound.key)):
        return None
    row = await retrying(lambda: stores.table.read(moved_key(inbound.key)), engine.clock)
    if row is None:
        return None
    before, moved_at = json.loads(row.body)
    if inbound.sent_at > moved_at or before == head.session_id:
        return None
    return await _line(engine, stores, SessionId(before), inbound)


async def _line(engine: Engine, stores: TenantStores, session_id: SessionId, inbound: Inbound) -> LedgerLine | None:
    try:
        head = await find_head(engine, stores, session_id)
    except NotFound:
        return None
    known = look_up(head, inbound.message_id, inbound.sent_at)
    if not isinstance(known, Known):
        return None
    if head.outbox:
        await remember_outbox(engine, stores.tenant, session_id, engine.clock.now())
    return await read_line(engine, stores, head, known.answered.offset)
