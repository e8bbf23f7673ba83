"""`outlive sessions list`: the sessions of a tenant."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial
from shlex import join
from typing import TYPE_CHECKING, Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import first_words, local_time, print_json, print_table, say

if TYPE_CHECKING:
    from outlive.flows.sessions.filter_sessions import SessionFilter
    from outlive.flows.sessions.list_sessions import SessionLine, SessionPage

COLUMNS = ("key", "session", "turns", "version", "cost", "last turn", "title")


def sessions_list(
    *,
    text: Annotated[str, typer.Option("--text", help="Only with this in key or title.", show_default=False)] = "",
    channel: Annotated[str, typer.Option("--channel", help="Only of this channel.", show_default=False)] = "",
    user: Annotated[str, typer.Option("--user", help="Only of this chat id.", show_default=False)] = "",
    running: Annotated[
        bool | None,
        typer.Option("--running/--idle", help="Only those in which a turn runs, or none does.", show_default=False),
    ] = None,
    waiting: Annotated[
        bool | None,
        typer.Option(
            "--waiting/--not-waiting", help="Only those that wait for a person, or do not.", show_default=False
        ),
    ] = None,
    after: Annotated[str, typer.Option(help="Go on behind this session id.", show_default=False)] = "",
    limit: options.Limit = 50,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """List the sessions of a tenant.

    In order of their ids; what is asked for has to hold all together. With --json one document: `sessions`, `damaged`
    (heads that cannot be read), and `after` for the next page.
    """
    from outlive.entrypoints.running import of_tenant
    from outlive.flows.sessions.filter_sessions import SessionFilter, filter_sessions

    wanted = SessionFilter(channel, user, text, running, waiting)
    where, page = of_tenant(partial(filter_sessions, wanted=wanted, after=after, limit=limit), data=data, tenant=tenant)
    if json:
        print_json(page)
    else:
        _show(page, wanted, limit, where)


def _show(page: SessionPage, wanted: SessionFilter, limit: int, tenant: str) -> None:
    chosen = _options(wanted)
    nothing = (
        f"There are no such sessions in tenant {tenant}." if chosen else f"There are no sessions in tenant {tenant}."
    )
    print_table(COLUMNS, [_row(line) for line in page.sessions], empty=nothing)
    for damage in page.damaged:
        say(f"damaged: {damage}")
    # a page of chosen ones ends early where they are rare
    if page.after and (chosen or len(page.sessions) + len(page.damaged) >= limit):
        say(f"There may be more: outlive sessions list {chosen}--after {page.after}")


def _options(wanted: SessionFilter) -> str:
    """The options that ask for the same once more, with a space behind them."""
    words = [
        word
        for name in ("text", "channel", "user")
        if (value := getattr(wanted, name))
        for word in (f"--{name}", value)
    ]
    words += {True: ["--running"], False: ["--idle"], None: []}[wanted.running]
    words += {True: ["--waiting"], False: ["--not-waiting"], None: []}[wanted.waiting]
    return f"{join(words)} " if words else ""


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
