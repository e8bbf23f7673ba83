"""`outlive sessions list`: the sessions of a tenant."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import first_words, local_time, print_json, print_table, say

if TYPE_CHECKING:
    from outlive.flows.sessions.list_sessions import SessionLine, SessionPage

COLUMNS = ("key", "session", "turns", "version", "cost", "last turn", "title")


def sessions_list(
    *,
    after: Annotated[str, typer.Option(help="Go on behind this session id.", show_default=False)] = "",
    limit: options.Limit = 50,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """List the sessions of a tenant.

    In order of their ids. With --json one document: `sessions`, `damaged` (heads that cannot be read), and `after`
    for the next page.
    """
    from outlive.entrypoints.running import of_tenant
    from outlive.flows.sessions.list_sessions import list_sessions

    where, page = of_tenant(partial(list_sessions, after=after, limit=limit), data=data, tenant=tenant)
    if json:
        print_json(page)
    else:
        _show(page, limit, where)


def _show(page: SessionPage, limit: int, tenant: str) -> None:
    print_table(COLUMNS, [_row(line) for line in page.sessions], empty=f"There are no sessions in tenant {tenant}.")
    for damage in page.damaged:
        say(f"damaged: {damage}")
    if len(page.sessions) + len(page.damaged) >= limit:
        say(f"There may be more: outlive sessions list --after {page.after}")


def _row(line: SessionLine) -> list[object]:
    when = f"{local_time(line.updated_at)}{' (running)' if line.held_until else ''}"
    return [
        line.key,
        line.session_id,
        line.turns,
        line.version,
        f"${line.usd:.4f}",
        when,
        first_words(line.title),
    ]
