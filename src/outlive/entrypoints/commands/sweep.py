"""`outlive sweep`: remove what no kept version needs, and what is over."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from outlive.entrypoints import options
from outlive.entrypoints.terminal import progress
from outlive.entrypoints.terminal.output import print_fields, print_json, say

if TYPE_CHECKING:
    from outlive.flows.delivery.retry_outbox import Retried
    from outlive.flows.engine import Engine
    from outlive.flows.progress import Progress
    from outlive.flows.sessions.sweep_tenant import TenantSwept
    from outlive.flows.tenant_stores import TenantStores


def sweep(*, data: options.Data = None, tenant: options.Tenant = None, json: options.Json = False) -> int:
    """Remove what no kept version needs.

    Turns may go on meanwhile. Replies that are due are tried again. Also removed: expired sessions, sessions never
    used, what dead workers left. Exits 1 when a session is damaged; the others are swept all the same.
    """
    from outlive.entrypoints.running import at_tenant

    with progress.shown("Sweeping", "sessions") as watch:
        swept, retried = at_tenant(partial(_sweep, progress=watch), data=data, tenant=tenant)
    if json:
        print_json(asdict(swept) | {"retried": retried})
        return 1 if swept.damaged else 0
    print_fields(
        {
            "sessions swept": swept.sessions,
            "packs removed": f"{swept.removed}, {swept.removed_bytes:,} bytes",
            "expired sessions erased": len(swept.expired),
            "abandoned sessions erased": len(swept.abandoned),
            "packs of erased sessions": len(swept.headless),
            "mappings removed": swept.mappings,
            "tasks removed": swept.tasks,
            "unnamed notes removed": swept.notes,
            "expired records removed": swept.records,
            "turns archived": swept.archived,
            "older than they are kept": sum(asdict(swept.retained).values()),
            "tool results removed": swept.results,
            "replies delivered": retried.delivered,
            "left for later": len(swept.held),
        }
    )
    if swept.archive_down:
        say(f"the archive is down, and nothing is lost: {swept.archive_down}")
    for damage in swept.damaged:
        say(f"damaged: {damage}")
    return 1 if swept.damaged else 0


async def _sweep(engine: Engine, stores: TenantStores, *, progress: Progress) -> tuple[TenantSwept, Retried]:
    from outlive.flows.delivery.retry_outbox import retry_outboxes
    from outlive.flows.sessions.sweep_tenant import sweep_tenant

    return await sweep_tenant(engine, stores, progress=progress), await retry_outboxes(engine, stores.tenant)
