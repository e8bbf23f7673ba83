"""What tenants use and may use: usage, limits, the kill switch, and what was done by whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from outlive.core.keys import parse_tenant
from outlive.core.quotas import Control, Stop
from outlive.entrypoints.http_api.callers import Caller, CallerHere, check_everyone
from outlive.entrypoints.http_api.faults import Failed, shown
from outlive.entrypoints.http_api.parameters import After, Limit
from outlive.entrypoints.http_api.routes import needs, router
from outlive.errors import Invalid
from outlive.flows.access.list_tenants import list_tenants
from outlive.flows.delivery.audit import AuditEntry, audit_page
from outlive.flows.limits.change_limits import set_quotas, start_turns, stop_turns
from outlive.flows.limits.inspect_limits import LimitsReport, inspect_limits
from outlive.flows.limits.list_usage import DayCounts, UsageReport, usage_by_day, usage_by_session
from outlive.flows.tenant_stores import TenantStores

routes = router("tenants")

Everyone = Annotated[bool, Query(alias="all", description="For all tenants; takes a key for all.")]
Money = Annotated[float | None, Field(gt=0, le=1e9)]


class NewLimits(BaseModel):
    """Limits to change: null takes one away, those that are left out stay."""

    model_config = ConfigDict(extra="forbid")
    max_usd_per_turn: Money = None
    max_usd_per_session: Money = None
    max_usd_per_day: Money = None
    max_usd_per_month: Money = None
    max_agent_turns: int | None = Field(None, ge=1, le=10**6)
    max_concurrent_turns: int | None = Field(None, ge=1, le=10**6)
    turn_seconds: float | None = Field(None, gt=0, le=10**6)


class Reason(BaseModel):
    """Why turns are stopped, for the people who ask."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=1, max_length=500)


@dataclass(frozen=True, slots=True)
class Tenants:
    """The tenants that the caller may work for and that have anything."""

    tenants: tuple[str, ...]
    after: str | None
    """Give it back for the next page; null when there is none."""


@dataclass(frozen=True, slots=True)
class TenantStats:
    """A tenant in numbers, from the heads of its sessions alone."""

    tenant: str
    sessions: int
    turns: int
    usd: float
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    today_usd: float
    month_usd: float
    running: int
    """Turns that run, where they are counted."""
    stopped: Stop | None


@dataclass(frozen=True, slots=True)
class Audit:
    """What was done, the newest first."""

    entries: tuple[AuditEntry, ...]
    before: float | None
    """Give it back for older ones; null when there are none."""


@routes.get("/v1/tenants", **needs("viewer", model=Tenants))
async def get_tenants(caller: CallerHere, after: After = "", limit: Limit = 100) -> Response:
    """The tenants by their names, for a key for all; otherwise the key's own."""
    if not caller.everyone:
        return shown(Tenants((caller.tenant,), None))
    if after:
        try:
            parse_tenant(after)
        except Invalid as error:
            raise Failed(error, "after") from error
    found = await list_tenants(caller.engine, after=after, limit=limit + 1)
    return shown(Tenants(tuple(found[:limit]), found[limit - 1] if len(found) > limit else None))


@routes.get("/v1/usage", **needs("viewer", model=UsageReport))
async def get_usage(
    caller: CallerHere,
    by: Annotated[Literal["session", "day"], Query(description="One line for each.")] = "session",
    limit: Annotated[int | None, Query(ge=1, le=1000, description="Only the dearest sessions; left out: all.")] = None,
    days: Annotated[int | None, Query(ge=1, le=400, description="Only the last days; left out: all.")] = None,
) -> Response:
    """The bill. By day the ledger of every session that has changed since the last time is read."""
    if by == "session":
        return shown(await usage_by_session(caller.engine, caller.stores, limit=limit))
    counts = caller.api.day_counts.setdefault(caller.tenant, DayCounts())
    since = caller.engine.clock.now() - (days - 1) * 86400 if days else 0.0
    since -= since % 86400
    return shown(await usage_by_day(caller.engine, caller.stores, since=since, counts=counts))


@routes.get("/v1/stats", **needs("viewer", model=TenantStats))
async def get_stats(caller: CallerHere) -> Response:
    """The tenant in numbers."""
    return shown(await stats_of(caller))


async def stats_of(caller: Caller) -> TenantStats:
    """The same for other routes."""
    report = await usage_by_session(caller.engine, caller.stores, limit=0)
    limits, total = await inspect_limits(caller.engine, caller.stores), report.total
    return TenantStats(
        tenant=caller.tenant,
        sessions=report.sessions,
        turns=total.turns,
        usd=total.usd,
        input_tokens=total.input_tokens,
        output_tokens=total.output_tokens,
        cache_read_tokens=total.cache_read_tokens,
        cache_write_tokens=total.cache_write_tokens,
        today_usd=limits.today_usd,
        month_usd=limits.month_usd,
        running=len(limits.running),
        stopped=limits.stopped,
    )


@routes.get("/v1/limits", **needs("viewer", model=LimitsReport))
async def get_limits(caller: CallerHere) -> Response:
    """What the tenant may use, where each limit comes from, and what it has used."""
    return shown(await inspect_limits(caller.engine, caller.stores))


@routes.patch("/v1/limits", **needs("admin", "limits.changed", model=Control))
async def patch_limits(caller: CallerHere, limits: NewLimits, everyone: Everyone = False) -> Response:  # noqa: FBT002 - a query parameter
    """Change limits; workers follow within their `control_seconds`."""
    changes = limits.model_dump(exclude_unset=True)
    done = await set_quotas(caller.engine, _whose(caller, everyone=everyone), changes)
    caller.deed.update({name: str(value) for name, value in changes.items()})
    return shown(done)


@routes.post("/v1/limits/stop", **needs("admin", "turns.stopped", model=Control))
async def post_kill(caller: CallerHere, why: Reason, everyone: Everyone = False) -> Response:  # noqa: FBT002
    """The kill switch: running turns are interrupted, no new one starts, until `start`."""
    whose = _whose(caller, everyone=everyone)
    caller.deed["reason"] = why.reason
    return shown(await stop_turns(caller.engine, whose, reason=why.reason, by=caller.who))


@routes.post("/v1/limits/start", **needs("admin", "turns.started", model=Control))
async def post_start(caller: CallerHere, everyone: Everyone = False) -> Response:  # noqa: FBT002
    """Take the kill switch back; 404 when it was not thrown."""
    return shown(await start_turns(caller.engine, _whose(caller, everyone=everyone)))


@routes.get("/v1/audit", **needs("admin", model=Audit))
async def get_audit(
    caller: CallerHere,
    before: Annotated[float | None, Query(ge=0, le=2**40, description="Only entries older than this.")] = None,
    limit: Limit = 100,
) -> Response:
    """What was done in the tenant and by whom."""
    entries, more = await audit_page(caller.engine, caller.stores, before=before, limit=limit)
    return shown(Audit(tuple(entries), more))


def _whose(caller: Caller, *, everyone: bool) -> TenantStores | None:
    if not everyone:
        return caller.stores
    check_everyone(caller)
    caller.deed["all"] = "true"
    return None
