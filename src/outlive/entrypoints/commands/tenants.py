"""`outlive tenants`: whose data there is."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_table, say


def tenants(
    *,
    after: Annotated[str, typer.Option(help="Go on behind this tenant.", show_default=False)] = "",
    limit: options.Limit = 100,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """List the tenants by their names."""
    from outlive.entrypoints.running import at_rest
    from outlive.flows.access.list_tenants import list_tenants

    found = at_rest(lambda app: list_tenants(app.engine, after=after, limit=limit), data=data)
    more = found[-1] if len(found) == limit else None
    if json:
        print_json({"tenants": found, "after": more})
        return
    print_table(("tenant",), [[name] for name in found], empty="There are no tenants.")
    if more:
        say(f"There may be more: outlive tenants --after {more}")
