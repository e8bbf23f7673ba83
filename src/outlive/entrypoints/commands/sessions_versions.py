"""`outlive sessions versions`: the history of a session."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import local_time, print_json, print_table, say

if TYPE_CHECKING:
    from outlive.flows.sessions.list_versions import VersionLine, VersionPage

COLUMNS = ("version", "when", "kind", "files", "changed", "bytes stored", "message")
ENDS = {"": "", "first": "", "retention": "Older versions are not kept (OUTLIVE_KEEP_VERSIONS)."}


def sessions_versions(
    session: options.Session,
    *,
    before: Annotated[int | None, typer.Option(help="Only versions below this one.", show_default=False)] = None,
    limit: options.Limit = 20,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """List the kept versions of a session, newest first."""
    from outlive.entrypoints.running import at_session
    from outlive.flows.sessions.list_versions import list_versions

    page = at_session(session, partial(list_versions, before=before, limit=limit), data=data, tenant=tenant)
    if json:
        print_json(page)
    else:
        _show(page, session)


def _show(page: VersionPage, session: str) -> None:
    print_table(COLUMNS, [_row(line) for line in page.versions], empty="There are no versions yet.")
    if page.before is not None:
        say(f"Older ones: outlive sessions versions {session} --before {page.before}")
    elif end := ENDS[page.end]:
        say(end)
    for damage in page.damaged:
        say(f"damaged: {damage}")


def _row(line: VersionLine) -> list[object]:
    unknown = "?"
    return [
        line.version,
        local_time(line.at),
        line.kind,
        line.files,
        unknown if line.files_changed is None else line.files_changed,
        unknown if line.bytes_stored is None else f"{line.bytes_stored:,}",
        line.message,
    ]
