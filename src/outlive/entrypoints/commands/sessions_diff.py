"""`outlive sessions diff`: what changed in a session's files between two versions."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_text, say

if TYPE_CHECKING:
    from outlive.flows.sessions.diff_versions import FileChange

MARKS = {"added": "A", "removed": "D", "changed": "M"}


def sessions_diff(
    session: options.Session,
    older: Annotated[int, typer.Argument(min=0, help="A version.")],
    newer: Annotated[int, typer.Argument(min=0, help="Another one.")],
    *,
    text: Annotated[bool, typer.Option("--text", help="Line by line, where a file is small text.")] = False,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """List what changed between two versions.

    Every path whose content or mode is not the same; with --text as a unified diff.
    """
    from outlive.entrypoints.running import at_session
    from outlive.flows.sessions.diff_versions import diff_versions

    diff = at_session(session, partial(diff_versions, older=older, newer=newer, text=text), data=data, tenant=tenant)
    if json:
        print_json(diff)
        return
    if not diff.changes:
        say(f"Versions {older} and {newer} hold the same files.")
    for change in diff.changes:
        _print_change(change)


def _print_change(change: FileChange) -> None:
    if change.text:
        print_text(change.text.removesuffix("\n"))
        return
    sizes = " → ".join(f"{size:,} bytes" for size in (change.before, change.after) if size is not None)
    print_text(f"{MARKS[change.change]}  {change.path}  {sizes}")
