"""The loop that tries again what a channel could not take: no queue message is held for it, no agent is run."""

from __future__ import annotations

from dataclasses import dataclass, field

from outlive.core.keys import SessionId, Tenant
from outlive.core.outbox import OUTBOXES, UNDELIVERED, DeadReply, Waiting, decode_note, decode_waiting
from outlive.errors import Conflict, Corrupt, NotFound
from outlive.flows.deliver_reply import deliver_pending
from outlive.flows.engine import Engine
from outlive.flows.list_all import scan_all
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.hold_lease import Busy, acquire, release_quietly, renewed
from outlive.protocols import At, Row


@dataclass(slots=True)
class Retried:
    """What one round did."""

    sessions: int = 0
    delivered: int = 0
    """Replies that are settled: sent, or given up with a note."""
    waiting: int = 0
    """Replies still to be tried, of the sessions that were due."""
    faults: list[str] = field(default_factory=list)
    """Of sessions that could not be looked at: damaged, or their worker was faster."""


async def retry_outboxes(engine: Engine, tenant: Tenant | None = None) -> Retried:
    """Try what is due in every session, of one tenant or of all.

    A session that a worker holds is left to that worker's own delivery.
    """
    done = Retried()
    for row in await scan_all(engine.table, _prefix(tenant), engine.clock):
        try:
            waiting = decode_waiting(row.body, row.key)
            if waiting.due <= engine.clock.now():
                await _retry(engine, row, waiting, done)
        except (Corrupt, Conflict) as error:
            done.faults.append(error.message)
    return done


async def _retry(engine: Engine, row: Row, waiting: Waiting, done: Retried) -> None:
    stores = engine.stores(waiting.tenant)
    try:
        lease = await acquire(engine, stores.table, waiting.session_id)
    except NotFound:  # erased since
        await _forget(engine, row)
        return
    if isinstance(lease, Busy):
        return
    before = len(lease.head.outbox)
    try:
        async with renewed(engine, lease):
            head = await deliver_pending(engine, stores, lease.head, known=None)
        await lease.release(head)
    except BaseException:
        await release_quietly(lease)
        raise
    done.sessions += 1
    done.delivered += before - len(head.outbox)
    done.waiting += len(head.outbox)
    if not head.outbox:
        await _forget(engine, row)


async def _forget(engine: Engine, row: Row) -> None:
    """Only as it was read: whoever wrote it anew since knows of a newer reply."""
    try:
        await engine.table.delete(row.key, expected=At(row.version, row.fence))
    except Conflict:
        return


async def waiting_outboxes(engine: Engine, tenant: Tenant | None = None) -> list[Waiting]:
    """Sessions that have replies to be tried again, of one tenant or of all."""
    rows = await scan_all(engine.table, _prefix(tenant), engine.clock)
    return [decode_waiting(row.body, row.key) for row in rows]


def _prefix(tenant: Tenant | None) -> str:
    return f"{OUTBOXES}{tenant}/" if tenant else OUTBOXES


async def dead_replies(engine: Engine, stores: TenantStores, session_id: SessionId | None = None) -> list[DeadReply]:
    """Replies that were given up, of one session or of the whole tenant, oldest first by session."""
    prefix = f"{UNDELIVERED}{session_id}/" if session_id else UNDELIVERED
    rows = await scan_all(stores.table, prefix, engine.clock)
    now = engine.clock.now()
    return [decode_note(row.body, row.key) for row in rows if (row.expires_at or now + 1) > now]
