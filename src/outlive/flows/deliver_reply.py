"""Replies out of the outbox: committed first, sent after, never made again."""

from __future__ import annotations

from outlive.core.approvals import TOOL_DEFERRED
from outlive.core.keys import parse_session_key
from outlive.core.ledger import LedgerLine
from outlive.core.sessions import Head, Pending, delivered
from outlive.errors import Invalid
from outlive.flows.engine import Engine
from outlive.flows.read_ledger import read_line
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Channel, Reply


async def deliver_pending(engine: Engine, stores: TenantStores, head: Head, *, known: LedgerLine | None) -> Head:
    """Send every reply in the outbox, oldest first, and return the head without those that were sent.

    `known` is a line that need not be read again. A failed send raises; what was sent before it counts as sent only
    when the caller writes the head, so it may be sent once more: at least once, never a second model call.
    """
    for pending in head.outbox:
        line = known if known and known.message_id == pending.message_id else None
        line = line or await read_line(engine, stores, head, pending.offset)
        question = line.approval if line.stop_reason == TOOL_DEFERRED else None
        await _channel(engine, pending).deliver(
            Reply(pending.session_key, pending.message_id, pending.turn, line.reply, question)
        )
        head = delivered(head, pending.message_id)
    return head


def _channel(engine: Engine, pending: Pending) -> Channel:
    name = parse_session_key(pending.session_key).channel
    channel = engine.channels.get(name)
    if channel is None:
        raise Invalid(
            f"channel {name!r} is not set up on this worker.", fix="Set it up, or run the worker that has it."
        )
    return channel
