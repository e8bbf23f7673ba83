"""`outlive audit`: who has changed what."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import local_time, print_json, print_table, say

COLUMNS = ("when", "what", "session", "by", "details")


def audit(
    *,
    before: Annotated[
        float | None, typer.Option(min=0, help="Only what is older than this, epoch seconds.", show_default=False)
    ] = None,
    limit: options.Limit = 50,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Show who has changed what, the newest first.

    Changes over the HTTP API and the console stand under their key's name, those of this command line under the user
    and machine. Kept for 400 days.
    """
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.delivery.audit import audit_page

    entries, more = at_tenant(partial(audit_page, before=before, limit=limit), data=data, tenant=tenant)
    if json:
        print_json({"entries": entries, "before": more})
        return
    rows = [
        [
            local_time(entry.at),
            entry.what,
            entry.session_key or entry.session_id,
            entry.by,
            ", ".join(f"{name}={value}" for name, value in entry.details.items()),
        ]
        for entry in entries
    ]
    print_table(COLUMNS, rows, empty="Nothing was changed.")
    if more is not None:
        say(f"There is more: outlive audit --before {more!r}")
