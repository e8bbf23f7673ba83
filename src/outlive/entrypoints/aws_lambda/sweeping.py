"""The sweeper function: every minute what goes on beside the turns, every day the sessions of all tenants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from outlive.core.keys import Tenant, parse_tenant
from outlive.entrypoints.aws_lambda.kept import Kept
from outlive.entrypoints.terminal.output import print_json
from outlive.errors import Invalid, OutliveError
from outlive.flows.delivery.tend import tend_once
from outlive.flows.list_all import scan_all
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.wiring import App, open_at_rest

KEPT = Kept(open_at_rest)
TEND = "tend"


def run_sweep(event: object) -> Mapping[str, Any]:
    """A tick: `{"do": "tend"}` fires schedules, tries replies again, tells of dead letters; others sweep all."""
    does_tend = isinstance(event, Mapping) and event.get("do") == TEND
    done = KEPT.run(_tend if does_tend else _sweep)
    print_json({"event": TEND if does_tend else "sweep"} | dict(done))
    return done


async def _tend(app: App) -> Mapping[str, Any]:
    return asdict(await tend_once(app.engine))


async def _sweep(app: App) -> Mapping[str, Any]:
    """What was removed, in all; `damaged` names what needs a person. A tenant that fails keeps no other from it."""
    total: dict[str, Any] = {"tenants": 0, "sessions": 0, "packs_removed": 0, "bytes_removed": 0, "expired": 0}
    total |= {"mappings": 0, "archived": 0, "archive_down": "", "damaged": [], "older_than_kept": {}}
    for tenant in await tenants(app):
        total["tenants"] += 1
        try:
            swept = await sweep_tenant(app.engine, app.engine.stores(tenant))
        except OutliveError as error:
            total["damaged"].append(f"tenant {tenant}: {error.message}")
            continue
        total["sessions"] += swept.sessions
        total["packs_removed"] += swept.removed
        total["bytes_removed"] += swept.removed_bytes
        total["expired"] += len(swept.expired)
        total["mappings"] += swept.mappings
        total["archived"] += swept.archived
        total["archive_down"] = total["archive_down"] or swept.archive_down
        total["older_than_kept"] = _added(total["older_than_kept"], asdict(swept.retained))
        total["damaged"] += swept.damaged
    return total


async def tenants(app: App) -> list[Tenant]:
    """Everybody who has a record; the deployment's own tenant among them. Reads the whole table, once a day."""
    names = {app.settings.tenant}
    names |= {row.key.partition("/")[0] for row in await scan_all(app.engine.table, "", app.engine.clock)}
    found: list[Tenant] = []
    for name in sorted(names):
        try:
            found.append(parse_tenant(name))
        except Invalid:
            continue  # records of all tenants together begin with an underscore
    return found


def _added(total: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Counts with the same names, summed."""
    return {name: total.get(name, 0) + count if isinstance(count, int) else count for name, count in more.items()}
