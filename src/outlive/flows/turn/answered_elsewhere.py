"""A message that was answered in a session its key has left is not run again in the one it points at now."""

from __future__ import annotations

from outlive.core.keys import SessionId
from outlive.core.ledger import LedgerLine
from outlive.core.messages import Inbound
from outlive.core.sessions import Head
from outlive.core.turns import CLOCK_MARGIN, Known, New, look_up
from outlive.errors import NotFound
from outlive.flows.delivery.remember_outbox import remember_outbox
from outlive.flows.engine import Engine
from outlive.flows.sessions.walk_history import at_latest
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.hold_lease import Lease
from outlive.flows.turn.read_ledger import read_line
from outlive.flows.turn.search_ledger import search_ledger


def may_be_elsewhere(lease: Lease, inbound: Inbound) -> list[SessionId]:
    """The former sessions in which the message may have its turn, newest first.

    They are closed to its key, so only a message from before that can: one that is newer by more than clocks differ
    cannot.
    """
    former = reversed(lease.former)
    return [each.session_id for each in former if inbound.sent_at <= (each.closed_at or 0.0) + CLOCK_MARGIN]


async def answered_elsewhere(engine: Engine, stores: TenantStores, lease: Lease, inbound: Inbound) -> LedgerLine | None:
    """The answer that the message had in a session its key has left; a pending reply goes out from there.

    One table read for each such session, for an hour after the key has left it; none for a key that has never moved.
    """
    for session_id in may_be_elsewhere(lease, inbound):
        try:
            line = await at_latest(engine, stores, session_id, lambda head: _line(engine, stores, head, inbound))
        except NotFound:  # erased, or its time is over
            continue
        if line is not None:
            return line
    return None


async def _line(engine: Engine, stores: TenantStores, head: Head, inbound: Inbound) -> LedgerLine | None:
    known = look_up(head, inbound.message_id, inbound.sent_at)
    if isinstance(known, New):
        return None
    if isinstance(known, Known):
        line: LedgerLine | None = await read_line(engine, stores, head, known.answered.offset)
    else:
        line = await search_ledger(engine, stores, head, inbound)
    if line is not None and head.outbox:
        await remember_outbox(engine, stores.tenant, head.session_id, engine.clock.now())
    return line
