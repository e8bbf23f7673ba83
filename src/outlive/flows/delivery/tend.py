"""What goes on beside the turns: schedules fire, replies are tried again, senders of dead messages are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from outlive.core.telemetry import RoundFailed, fault_of
from outlive.errors import OutliveError
from outlive.flows.delivery.retry_outbox import Retried, retry_outboxes
from outlive.flows.delivery.schedule_messages import fire_schedules
from outlive.flows.delivery.tell_dead import tell_dead
from outlive.flows.engine import Engine
from outlive.flows.limits.statistics import flush_when_due

OnFault = Callable[[str], None]
"""Told in one line what went wrong beside the turns."""


@dataclass(frozen=True, slots=True)
class Tended:
    """What one round did."""

    fired: int
    """Schedules."""
    retried: Retried
    told: int
    """Senders of dead letters."""


async def tend_once(engine: Engine) -> Tended:
    """One round; with nothing to do, two listings and one count."""
    await flush_when_due(engine)
    return Tended(await fire_schedules(engine), await retry_outboxes(engine), await tell_dead(engine))


@asynccontextmanager
async def tended(engine: Engine, on_fault: OnFault) -> AsyncIterator[None]:
    """A round every `policy.tend_seconds` while the block runs; what goes wrong in one is told, and tried again."""
    tending = asyncio.create_task(_tend(engine, on_fault))
    try:
        yield
    finally:
        tending.cancel()
        with suppress(asyncio.CancelledError):
            await tending


async def _tend(engine: Engine, on_fault: OnFault) -> None:
    while True:
        try:
            done = await tend_once(engine)
        except OutliveError as error:
            engine.telemetry.event(RoundFailed(fault_of(error)))
            on_fault(error.message)
        else:
            for fault in done.retried.faults:
                on_fault(fault)
        await engine.clock.sleep(engine.policy.tend_seconds)
