"""`outlive sweep`: remove what no kept version needs, and what is over."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial

from outlive.entrypoints import options, progress
from outlive.entrypoints.output import print_fields, print_json, say


def sweep(*, data: options.Data = None, tenant: options.Tenant = None, json: options.Json = False) -> int:
    """Remove what no kept version needs.

    Turns may go on meanwhile. Also removed: expired sessions, sessions never used, what dead workers left. Exits 1
    when a session is damaged; the others are swept all the same.
    """
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.sweep_tenant import sweep_tenant

    with progress.shown("Sweeping", "sessions") as watch:
        swept = at_tenant(partial(sweep_tenant, progress=watch), data=data, tenant=tenant)
    if json:
        print_json(swept)
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
            "left, a turn runs in them": len(swept.held),
        }
    )
    for damage in swept.damaged:
        say(f"damaged: {damage}")
    return 1 if swept.damaged else 0
