"""The lease for work beside the turns: taken, or refused with who has it until when, or broken by force."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from outlive.core.keys import SessionId, head_key
from outlive.errors import Conflict, NotFound, VersionConflict
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.hold_lease import Lease, acquire
from outlive.protocols import At, Free, Row

ATTEMPTS = 10
PATIENCE, PAUSE = 2.0, 0.05
"""Seconds: how long a person's command waits for a turn that is just ending, and between two looks.

A reply is seen before its turn's lease is back: who answers it at once with a rewind must not be refused for that."""


async def take_session(
    engine: Engine,
    stores: TenantStores,
    session_id: SessionId,
    *,
    force: bool = False,
    patience: float = 0.0,
    fix: str = "Try again later.",
) -> Lease:
    """The session's lease; `NotFound` without a head, `Conflict` when a turn runs and goes on for `patience` seconds.

    With `force` a running turn loses its lease: whatever it writes to the head from then on fails.
    """
    until = engine.clock.now() + patience
    attempts = 0
    while attempts < ATTEMPTS:
        lease = await _acquired(engine, stores, session_id)
        if lease is not None:
            return lease
        row = await retrying(lambda: stores.table.read(head_key(session_id)), engine.clock)
        if row is not None and row.owner is not None and not force and engine.clock.now() < until:
            await engine.clock.sleep(PAUSE)
            continue
        attempts += 1
        if row is None or row.owner is None:
            continue
        if not force:
            raise _busy(session_id, row, fix)
        await _break_lease(engine, stores, row)
    raise Conflict(f"session {session_id} passes from worker to worker.", fix="Try again later.")


async def _acquired(engine: Engine, stores: TenantStores, session_id: SessionId) -> Lease | None:
    try:
        lease = await acquire(engine, stores.table, session_id)
    except NotFound as error:
        raise NotFound(f"session {session_id} does not exist.", fix="See `outlive sessions list`.") from error
    return lease if isinstance(lease, Lease) else None


async def _break_lease(engine: Engine, stores: TenantStores, row: Row) -> None:
    """One conditional write: the holder's next one finds another version, and fails as if the lease had run out."""

    async def write() -> None:
        at = At(row.version, row.fence)
        await stores.table.write(row.key, row.body, expected=at, lease=Free(), expires_at=row.expires_at)

    with suppress(VersionConflict):
        await retrying(write, engine.clock)


def _busy(session_id: SessionId, row: Row, fix: str) -> Conflict:
    return Conflict(f"session {session_id} is held by {row.owner} until {utc(row.until)}.", fix=fix)


def utc(at: float) -> str:
    """Epoch seconds as people read them."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
