"""`outlive stats`: a tenant in a few numbers."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from dataclasses import asdict

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import local_time, print_fields, print_json


def stats(*, data: options.Data = None, tenant: options.Tenant = None, json: options.Json = False) -> None:
    """Show a tenant in a few numbers.

    How many sessions there are, what they have cost, how large they are, and how the tool cache is used.
    The numbers are kept up to date beside the turns: reading them is one request, however much there is. A worker
    stores what it has counted once a minute; `outlive sweep` counts anew.
    """
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.limits.statistics import read_statistics

    found = at_tenant(read_statistics, data=data, tenant=tenant)
    shown = found.shown
    if json:
        print_json({**asdict(shown), "counted_at": found.counted_at or None})
        return
    print_fields(
        {
            "sessions": f"{shown.sessions:,}",
            "turns": f"{shown.turns:,}",
            "cost": f"${shown.usd:.4f}",
            "bytes of sessions": f"{shown.bytes:,}",
            "kept results of tools": f"{shown.cache_entries:,}, {shown.cache_bytes:,} bytes",
            "hits and misses": f"{shown.cache_hits:,} and {shown.cache_misses:,}",
            "counted anew": local_time(found.counted_at) if found.counted_at else "never",
        }
    )
