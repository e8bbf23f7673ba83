"""`outlive schedule add`: a message that comes by itself."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import local_time, print_json, print_text, say


def schedule_add(
    key: options.Key,
    text: Annotated[str, typer.Argument(help="The message.")],
    *,
    at: Annotated[str, typer.Option(help="Once: 2027-03-01T09:00, in the time zone, or with an offset.")] = "",
    every: Annotated[str, typer.Option(help="Again and again: 30s, 10m, 6h, 7d.")] = "",
    cron: Annotated[str, typer.Option(help="Five fields: '0 9 * * mon-fri'; or @daily and its like.")] = "",
    zone: Annotated[str, typer.Option("--zone", help="Time zone of --at and --cron, by its IANA name.")] = "UTC",
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Send a message by itself.

    Once, at an interval, or by the clock. It needs a running worker; what was missed while none ran is made up for
    once. Prints the id.
    """
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.running import at_rest
    from outlive.entrypoints.terminal.times import epoch_of, seconds_of
    from outlive.flows.delivery.schedule_messages import add_schedule

    when = epoch_of(at, zone) if at else None
    interval = seconds_of(every) if every else None
    made = at_rest(
        lambda app: add_schedule(app.engine, app.key(key), text, at=when, every=interval, cron=cron, zone=zone),
        deed=deed("schedule.added", key, at=at, every=every, cron=cron),
        data=data,
    )
    if json:
        print_json({"schedule": made})
        return
    print_text(made.id)
    if made.next_at <= made.created_at:
        say("That time is over: it comes as soon as a worker looks.")
    else:
        say(f"It comes at {local_time(made.next_at)} for the first time.")
