"""`outlive schedule remove`: a message that shall come no more."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, say


def schedule_remove(
    schedule: Annotated[str, typer.Argument(help="Id, as `schedule list` shows it.")],
    *,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Remove a schedule.

    What it has sent already is answered all the same.
    """
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.running import at_rest
    from outlive.flows.delivery.schedule_messages import remove_schedule

    at_rest(
        lambda app: remove_schedule(app.engine, app.stores.tenant, schedule),
        deed=deed("schedule.removed", schedule=schedule),
        data=data,
        tenant=tenant,
    )
    if json:
        print_json({"removed": schedule})
    else:
        say("Removed.")
