"""How full queue and outbox are at this moment, for whoever reads the metrics: a count and a listing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from outlive.core.metrics import (
    BACKEND_UP,
    DEAD_LETTERS,
    OUTBOX,
    OUTBOX_OLDEST,
    QUEUE_IN_FLIGHT,
    QUEUE_OLDEST,
    QUEUE_WAITING,
    RUNNING,
    Update,
)
from outlive.errors import OutliveError
from outlive.flows.delivery.retry_outbox import waiting_outboxes
from outlive.flows.engine import Engine


async def read_gauges(engine: Engine) -> list[Update]:
    """What was found; of a backend that does not answer, only that. Pass the engine for what goes on beside turns."""
    return [
        *await _asked("queue", _queue, engine),
        *await _asked("table", _outbox, engine),
        Update(RUNNING, engine.running.count),
    ]


async def _asked(backend: str, look: Callable[[Engine], Awaitable[Sequence[Update]]], engine: Engine) -> list[Update]:
    try:
        found = await look(engine)
    except OutliveError:
        return [Update(BACKEND_UP, 0, (backend,))]
    return [*found, Update(BACKEND_UP, 1, (backend,))]


async def _queue(engine: Engine) -> list[Update]:
    depth = await engine.queue.depth()
    found = [
        Update(QUEUE_WAITING, depth.waiting),
        Update(QUEUE_IN_FLIGHT, depth.in_flight),
        Update(DEAD_LETTERS, depth.dead),
    ]
    if depth.oldest_at is not None:
        return [*found, Update(QUEUE_OLDEST, max(engine.clock.now() - depth.oldest_at, 0.0))]
    return found if depth.waiting else [*found, Update(QUEUE_OLDEST, 0.0)]


async def _outbox(engine: Engine) -> list[Update]:
    waiting, now = await waiting_outboxes(engine), engine.clock.now()
    oldest = min((each.since or each.due for each in waiting), default=now)
    return [Update(OUTBOX, len(waiting)), Update(OUTBOX_OLDEST, max(now - oldest, 0.0))]
