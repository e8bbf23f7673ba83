"""`outlive state history`: how a session's state object came about."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from outlive.core.json_paths import shown
from outlive.core.state import Change
from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import local_time, print_json, print_table

COLUMNS = ("version", "when", "by", "set", "removed")


def state_history(
    session: options.Session,
    *,
    after: Annotated[int, typer.Option(help="Only changes above this state version.")] = 0,
    limit: options.Limit = 20,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """List the changes of a session's state object, oldest first."""
    from outlive.entrypoints.running import at_session
    from outlive.flows.knowledge.change_state import state_history as history

    changes = at_session(session, partial(history, after=after, limit=limit), data=data, tenant=tenant)
    if json:
        print_json({"changes": [_fields(change) for change in changes]})
    else:
        print_table(COLUMNS, [_row(change) for change in changes], empty="The state has not been changed yet.")


def _fields(change: Change) -> dict[str, object]:
    return {
        "version": change.version,
        "at": change.at,
        "by": change.by,
        "put": {shown(path): value for path, value in change.puts},
        "removed": [shown(path) for path in change.removes],
    }


def _row(change: Change) -> list[object]:
    puts = " ".join(shown(path) for path, _ in change.puts)
    return [change.version, local_time(change.at), change.by, puts, " ".join(map(shown, change.removes))]
