"""What limits a tenant has and from where, what is left of them, and who runs."""

from __future__ import annotations

from dataclasses import dataclass

from outlive.core.keys import CONTROL_KEY, EVERYONE_KEY
from outlive.core.quotas import Control, Quotas, Stop, effective, usd_left
from outlive.core.spending import Entry
from outlive.flows.engine import Engine
from outlive.flows.limits.count_spending import read_spending
from outlive.flows.limits.read_controls import read_control
from outlive.flows.tenant_stores import TenantStores


@dataclass(frozen=True, slots=True)
class Left:
    """What may still be spent, in US dollars; None for no limit."""

    session_usd: float | None
    day_usd: float | None
    month_usd: float | None
    stopped: Stop | None


@dataclass(frozen=True, slots=True)
class LimitsReport:
    """One tenant's limits."""

    tenant: Control
    everyone: Control
    process: Quotas
    """From the settings of this process; a worker may have others."""
    effective: Quotas
    stopped: Stop | None
    today_usd: float
    """Counted only while a limit of the day, the month or of concurrency is set, as is what follows."""
    month_usd: float
    running: tuple[Entry, ...]


async def inspect_limits(engine: Engine, stores: TenantStores) -> LimitsReport:
    """The records as they are stored now."""
    tenant = await read_control(stores.table, CONTROL_KEY, engine.clock)
    everyone = await read_control(engine.table, EVERYONE_KEY, engine.clock)
    spending, now = await read_spending(engine, stores), engine.clock.now()
    process = engine.policy.quotas
    counts = effective(tenant, everyone, process)
    return LimitsReport(
        tenant=tenant,
        everyone=everyone,
        process=process,
        effective=counts.quotas,
        stopped=counts.stopped,
        today_usd=spending.today(now),
        month_usd=spending.this_month(now),
        running=spending.running,
    )


async def what_is_left(engine: Engine, stores: TenantStores, session_usd: float) -> Left:
    """Of a session that has cost so much, and of its tenant."""
    report = await inspect_limits(engine, stores)
    quotas = report.effective
    return Left(
        session_usd=usd_left(quotas.max_usd_per_session, session_usd),
        day_usd=usd_left(quotas.max_usd_per_day, report.today_usd),
        month_usd=usd_left(quotas.max_usd_per_month, report.month_usd),
        stopped=report.stopped,
    )
