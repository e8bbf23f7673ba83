"""The kill switch while a turn runs: looked at as often as the lease is renewed, passed on to the agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from outlive.core.quotas import Stop, stopped_text
from outlive.core.turns import lease_renewal
from outlive.errors import AgentFailed, Unavailable
from outlive.flows.engine import Engine
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.admit_turn import read_effective
from outlive.protocols import TurnDone

INTERRUPTED = "interrupted"
STOPPED = "stopped"


@dataclass(slots=True)
class Halt:
    """Whether the operator has stopped the running turn."""

    stop: Stop | None = None
    overdue: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Done when the agent was told, and has not stopped within the grace time; or whether it has to cannot be known."""
    failure: Exception | None = None


@asynccontextmanager
async def halted_when_told(engine: Engine, stores: TenantStores, root: Path) -> AsyncIterator[Halt]:
    """While the block runs, a stop that an operator sets interrupts the agent's turn in `root`."""
    halt = Halt()
    if engine.policy.control_seconds is None:
        yield halt
        return
    watching = asyncio.create_task(_watch(engine, stores, root, halt))
    try:
        yield halt
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _watch(engine: Engine, stores: TenantStores, root: Path, halt: Halt) -> None:
    try:
        halt.stop = await _told(engine, stores)
        await _interrupt(engine, root)
        halt.failure = AgentFailed("the agent did not stop when the operator stopped it.", fix="Its process was ended.")
    except Exception as error:  # noqa: BLE001 - raised by the turn instead: nobody awaits this task
        halt.failure = error
    halt.overdue.set_result(None)


async def _told(engine: Engine, stores: TenantStores) -> Stop:
    """The stop, when there is one; a table that does not answer for a while is no reason to end a turn."""
    while True:
        await engine.clock.sleep(lease_renewal(engine.policy.lease_seconds))
        with suppress(Unavailable):
            if stop := (await read_effective(engine, stores)).stopped:
                return stop


async def _interrupt(engine: Engine, root: Path) -> None:
    """Ask until the agent hears it (it may be starting); return when the grace time is over."""
    end = engine.clock.now() + engine.policy.grace_seconds
    while not await engine.agent.interrupt(root) and engine.clock.now() < end:
        await engine.clock.sleep(min(0.25, engine.policy.grace_seconds))
    await engine.clock.sleep(max(end - engine.clock.now(), 0.0))


def stopped_by(halt: Halt, done: TurnDone) -> TurnDone:
    """The turn's end, with the operator's reason when that is why it ended."""
    if halt.stop is None or done.stop_reason != INTERRUPTED:
        return done
    text = "\n\n".join(filter(None, [done.text, stopped_text(halt.stop)]))
    return replace(done, text=text, stop_reason=STOPPED)
