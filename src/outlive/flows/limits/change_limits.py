"""Limits and the kill switch set by an operator, for one tenant or for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

from outlive.core.keys import CONTROL_KEY, EVERYONE_KEY
from outlive.core.quotas import Control, Quotas, Stop, check_quotas, check_stop, decode_control, encode_control
from outlive.errors import NotFound
from outlive.flows.change_record import change_record
from outlive.flows.engine import Engine
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Table


async def set_quotas(engine: Engine, stores: TenantStores | None, changes: dict[str, float | int | None]) -> Control:
    """Set these limits (None takes one away) and leave the others; without `stores` for all tenants.

    `Invalid` names the field, and nothing is written then.
    """

    def change(control: Control) -> Control:
        quotas = Quotas(**asdict(control.quotas) | changes)
        check_quotas(quotas)
        return replace(control, quotas=quotas)

    return await _change(engine, stores, change)


async def stop_turns(engine: Engine, stores: TenantStores | None, *, reason: str, by: str) -> Control:
    """Throw the kill switch; thrown before, it keeps its time and gets the new reason."""

    def change(control: Control) -> Control:
        since = control.stopped.since if control.stopped else engine.clock.now()
        stop = Stop(reason, by, since)
        check_stop(stop)
        return replace(control, stopped=stop)

    return await _change(engine, stores, change)


async def start_turns(engine: Engine, stores: TenantStores | None) -> Control:
    """Take the kill switch back; `NotFound` when it was not thrown."""
    before = await _change(engine, stores, lambda control: control)
    if before.stopped is None:
        whose = f"tenant {stores.tenant} is" if stores else "all tenants together are"
        fix = "See `outlive limits show`: a tenant and all tenants are stopped apart from each other."
        raise NotFound(f"{whose} not stopped.", fix=fix)
    return await _change(engine, stores, lambda control: replace(control, stopped=None))


async def _change(engine: Engine, stores: TenantStores | None, change: Callable[[Control], Control]) -> Control:
    table, key = _place(engine, stores)

    def decide(body: bytes | None) -> tuple[bytes | None, Control]:
        before = decode_control(body, key) if body is not None else Control()
        after = change(before)
        return (encode_control(after) if after != before else None), after

    return await change_record(table, key, engine.clock, decide)


def _place(engine: Engine, stores: TenantStores | None) -> tuple[Table, str]:
    return (stores.table, CONTROL_KEY) if stores else (engine.table, EVERYONE_KEY)
