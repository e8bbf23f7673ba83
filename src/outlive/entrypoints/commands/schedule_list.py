"""`outlive schedule list`: the messages that come by themselves."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import TYPE_CHECKING

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import first_words, local_time, print_json, print_table

if TYPE_CHECKING:
    from outlive.core.schedules import Schedule


def schedule_list(*, data: options.Data = None, tenant: options.Tenant = None, json: options.Json = False) -> None:
    """List the schedules."""
    from outlive.entrypoints.running import of_tenant
    from outlive.flows.delivery.schedule_messages import list_schedules

    where, found = of_tenant(lambda engine, stores: list_schedules(engine, stores.tenant), data=data, tenant=tenant)
    if json:
        print_json({"schedules": found})
        return
    rows = [[s.id, s.session_key, _when(s), local_time(s.next_at), s.fired, first_words(s.text)] for s in found]
    print_table(
        ("id", "session key", "when", "next", "fired", "text"), rows, empty=f"There are no schedules in tenant {where}."
    )


def _when(schedule: Schedule) -> str:
    if schedule.cron:
        return f"{schedule.cron} {schedule.zone}"
    return "once" if schedule.every is None else f"every {schedule.every:g} s"
