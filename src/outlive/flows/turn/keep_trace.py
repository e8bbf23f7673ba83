"""The trace of a session's last turn, kept where the policy wants it: a read and a write beside the turn's own."""

from __future__ import annotations

from contextlib import suppress

from outlive.core.kept_traces import TTL, KeptStep, KeptTrace, decode_trace, encode_trace, trace_key
from outlive.core.keys import SessionId
from outlive.errors import Conflict, NotFound, Unavailable
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.trace import Trace
from outlive.flows.turn.find_session import find_head
from outlive.protocols import Absent, At, Expected, Keep, Row


async def keep_trace(
    engine: Engine, stores: TenantStores, session_id: SessionId, trace: Trace, *, turn: int, how: str
) -> None:
    """Replace the session's trace; nothing without the setting. One that cannot be kept fails no turn.

    The turn is committed and delivered by now, and the lease is given back: the next turn may be the one that is kept.
    """
    if not engine.policy.trace:
        return
    started = min((step.began for step in trace.steps), default=0.0)
    steps = tuple(KeptStep(step.name, step.began - started, step.seconds, step.found) for step in trace.steps)
    body = encode_trace(KeptTrace(turn, how, engine.clock.now(), engine.worker, steps))
    key, until = trace_key(session_id), engine.clock.now() + TTL
    with suppress(Conflict, Unavailable):  # told by nobody: it says how a turn went, not what it was
        row = await stores.table.read(key)
        expected: Expected = At(row.version, row.fence) if row else Absent()
        await stores.table.write(key, body, expected=expected, lease=Keep(), expires_at=until)


async def read_trace(engine: Engine, stores: TenantStores, session_id: SessionId) -> KeptTrace:
    """How the session's last turn went; `NotFound` without a session, or when none was kept in the last week."""
    await find_head(engine, stores, session_id)
    row = await trace_row(engine, stores, session_id)
    if row is None or (row.expires_at or 0) <= engine.clock.now():
        fix = "Set trace = on (OUTLIVE_TRACE=on) where the worker runs, and send a message."
        raise NotFound(f"no trace of session {session_id} was kept.", fix=fix)
    return decode_trace(row.body, row.key)


async def trace_row(engine: Engine, stores: TenantStores, session_id: SessionId) -> Row | None:
    """The record, with a head or without."""
    return await retrying(lambda: stores.table.read(trace_key(session_id)), engine.clock)
