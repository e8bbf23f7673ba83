"""What every channel offers round the queue: stop, new, status. It takes effect while a turn runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from outlive.core.approvals import Approval
from outlive.core.controls import STOP_TTL, StopOrder, encode_stop, stop_key
from outlive.core.keys import SessionId, SessionKey, head_key
from outlive.core.sessions import decode_head
from outlive.flows.engine import Engine
from outlive.flows.overwrite import overwrite
from outlive.flows.retry import retrying
from outlive.flows.sessions.list_sessions import is_held
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_session import find_mapping, no_session, start_anew
from outlive.protocols import Row


class Stopping(Enum):
    """What a stop did; the values are for people."""

    ASKED = "The running turn is being stopped."
    IDLE = "No turn is running."


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """A session as its user is told about it."""

    session_id: SessionId
    version: int
    turns: int
    usd: float
    title: str
    profile: str
    running: bool
    waiting: int
    """Messages of this session in the queue, the running one left out; 0 where the queue cannot be looked into."""
    undelivered: int
    """Replies that are to be tried again."""
    updated_at: float
    question: Approval | None
    """What the agent asks and waits for."""


async def stop_session(engine: Engine, key: SessionKey, *, by: str = "") -> Stopping:
    """Have the running turn interrupted and kept as far as it got; messages that wait are not touched.

    A turn of this process is told at once; another worker sees it within its tick. Three table reads and one write at
    most. It is meant for the turn that runs now: with none running nothing is written, and no later turn is stopped.
    """
    stores = engine.stores(key.tenant)
    mapping = await find_mapping(engine, stores, key)
    if mapping is None:
        return Stopping.IDLE
    if running := engine.running.find(stores.tenant, mapping.session_id):
        running.stop.set()
        return Stopping.ASKED
    row = await _head_row(engine, stores, mapping.session_id)
    if row is None or not is_held(row, engine.clock.now()):
        return Stopping.IDLE
    now = engine.clock.now()
    order = encode_stop(StopOrder(row.fence, now, by))
    await overwrite(stores.table, stop_key(mapping.session_id), order, engine.clock, expires_at=now + STOP_TTL)
    return Stopping.ASKED


async def new_session(engine: Engine, key: SessionKey) -> SessionId:
    """Point the key at a fresh session now. A turn that runs finishes in the old one, and still answers."""
    return await start_anew(engine, engine.stores(key.tenant), key, engine.policy.profile)


async def session_status(engine: Engine, key: SessionKey) -> SessionStatus:
    """What there is to say about the key's session; `NotFound` when it has none."""
    stores = engine.stores(key.tenant)
    mapping = await find_mapping(engine, stores, key)
    row = await _head_row(engine, stores, mapping.session_id) if mapping else None
    if row is None:
        raise await no_session(engine, stores, key)
    head = decode_head(row.body, row.key)
    return SessionStatus(
        session_id=head.session_id,
        version=head.version,
        turns=head.summary.turns,
        usd=head.summary.usd,
        title=head.summary.title,
        profile=head.profile,
        running=is_held(row, engine.clock.now()),
        waiting=len(await engine.queue.waiting(str(key))),
        undelivered=len(head.outbox),
        updated_at=head.updated_at,
        question=head.approval,
    )


async def _head_row(engine: Engine, stores: TenantStores, session_id: SessionId) -> Row | None:
    return await retrying(lambda: stores.table.read(head_key(session_id)), engine.clock)
