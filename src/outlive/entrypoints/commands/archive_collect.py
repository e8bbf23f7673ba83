"""`outlive archive collect`: put what happened into the archive."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial

from outlive.entrypoints import options
from outlive.entrypoints.terminal import progress
from outlive.entrypoints.terminal.output import print_fields, print_json, say


def archive_collect(*, data: options.Data = None, tenant: options.Tenant = None, json: options.Json = False) -> int:
    """Put every turn that is not in the archive yet into it.

    Run it from a timer: turns do not wait for it. Exits 1 when a session is damaged; the others are collected.
    """
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.knowledge.keep_archive import collect_turns

    with progress.shown("Collecting", "sessions") as watch:
        done = at_tenant(partial(collect_turns, progress=watch), data=data, tenant=tenant)
    if json:
        print_json(done)
    else:
        print_fields({"sessions": done.sessions, "turns": done.turns})
        for damage in done.damaged:
            say(f"damaged: {damage}")
    return 1 if done.damaged else 0
