"""`outlive task list`: the tasks of a tenant."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import local_time, print_json, print_table, say

COLUMNS = ("task", "state", "session", "key", "updated")


def task_list(
    *,
    after: Annotated[str, typer.Option(help="Go on behind this place.", show_default=False)] = "",
    limit: options.Limit = 50,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """List the tasks of a tenant.

    In order of their ids. With --json one document: `tasks`, `damaged` (records that cannot be read), and `after` for
    the next page.
    """
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.sessions.find_tasks import list_tasks

    page = at_tenant(partial(list_tasks, after=after, limit=limit), data=data, tenant=tenant)
    if json:
        print_json(page)
        return
    rows = [[t.task_id, t.state, t.session_id, t.session_key, local_time(t.updated_at)] for t in page.tasks]
    print_table(COLUMNS, rows, empty="There are no tasks.")
    for damage in page.damaged:
        say(f"damaged: {damage}")
    if len(page.tasks) + len(page.damaged) >= limit:
        say(f"There may be more: outlive task list --after {page.after}")
