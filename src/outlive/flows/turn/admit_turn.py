"""Whether a turn may run and what it may cost; and the money it did cost counted, whatever becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from outlive.core.quotas import Control, Quotas, Refusal, effective, least, refusal, usd_left
from outlive.core.sessions import Head
from outlive.core.spending import Claim, Granted
from outlive.errors import Unavailable
from outlive.flows.engine import Engine
from outlive.flows.limits.count_spending import count, count_left, free_place, reserve_when_free
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.hold_lease import Busy, Lease
from outlive.protocols import OnEvent, TextPart, TurnDone


@dataclass(frozen=True, slots=True)
class Admitted:
    """The turn may run, within these limits; None for no limit."""

    max_usd: float | None = None
    max_agent_turns: int | None = None
    turn_seconds: float | None = None


async def read_effective(engine: Engine, stores: TenantStores) -> Control:
    """What counts for the tenant now, as far as this worker has to know."""
    seconds = engine.policy.control_seconds
    if seconds is None:
        return Control(engine.policy.quotas)
    tenant, everyone = await engine.controls.read(engine.table, stores, engine.clock, seconds)
    return effective(tenant, everyone, engine.policy.quotas)


@asynccontextmanager
async def admitted(engine: Engine, stores: TenantStores, lease: Lease) -> AsyncIterator[Admitted | Refusal | Busy]:
    """Let the turn of a held session run, refuse it, or make it wait; at the end of the block its money is counted."""
    control = await read_effective(engine, stores)
    refused_at_once = refusal(control, lease.head.summary.usd)
    if refused_at_once:
        yield refused_at_once
    elif not control.quotas.are_counted:
        yield _within(control.quotas, _alone(control.quotas, lease.head))
    else:
        async with _reserved(engine, stores, lease, control.quotas) as verdict:
            yield verdict


@asynccontextmanager
async def _reserved(
    engine: Engine, stores: TenantStores, lease: Lease, quotas: Quotas
) -> AsyncIterator[Admitted | Refusal | Busy]:
    found = await reserve_when_free(engine, stores, _claim(engine, lease), quotas)
    if not isinstance(found, Granted):
        yield found if isinstance(found, Refusal) else Busy(found.reason)
        return
    version = lease.head.version
    try:
        yield _within(quotas, found.max_usd)
    finally:
        settling = count if lease.head.version > version else free_place
        # the turn's outcome stands without it: whoever meets the entry next counts the money from the head
        with suppress(Unavailable):
            await asyncio.shield(settling(engine, stores, _claim(engine, lease)))


async def count_for_others(engine: Engine, stores: TenantStores, lease: Lease) -> None:
    """Count a turn that somebody else ran, and perhaps could not count: it was adopted, or its message came again."""
    with suppress(Unavailable):  # as above
        control = await read_effective(engine, stores)
        if control.quotas.are_counted:
            await count_left(engine, stores, _claim(engine, lease))


def _claim(engine: Engine, lease: Lease) -> Claim:
    until = engine.clock.now() + engine.policy.lease_seconds
    return Claim(lease.head.session_id, lease.fence, until, lease.head.summary.usd)


def _alone(quotas: Quotas, head: Head) -> float | None:
    return least(quotas.max_usd_per_turn, usd_left(quotas.max_usd_per_session, head.summary.usd))


def _within(quotas: Quotas, max_usd: float | None) -> Admitted:
    return Admitted(max_usd, quotas.max_agent_turns, quotas.turn_seconds)


async def refused(why: Refusal, head: Head, on_event: OnEvent | None) -> TurnDone:
    """The end of a turn for which the agent is not asked; who watches sees it as it will be delivered."""
    done = TurnDone(why.text, head.agent_session_id or "", stop_reason=why.stop_reason)
    if on_event is not None:
        await on_event(TextPart(why.text))
        await on_event(done)
    return done
