"""`outlive sessions import`: sessions from an archive, or one from a local Claude Code."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from outlive.core.wording import counted
from outlive.entrypoints import options
from outlive.entrypoints.terminal import progress
from outlive.entrypoints.terminal.output import print_json, print_text, say

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def sessions_import(
    source: Annotated[str, typer.Argument(help="An archive, or the id (UUID) of a Claude Code session.")],
    *,
    key: Annotated[
        str | None,
        typer.Option(help="Session key of the one session; by default the archive's own keys.", show_default=False),
    ] = None,
    config: Annotated[
        Path, typer.Option(envvar="CLAUDE_CONFIG_DIR", help="Config directory of that Claude Code.")
    ] = Path("~/.claude"),
    project: Annotated[str | None, typer.Option(help="Its project folder, if several have that session.")] = None,
    work: Annotated[Path | None, typer.Option(help="A working directory to take along.", show_default=False)] = None,
    allow_holes: Annotated[bool, typer.Option("--allow-holes", help="Take a transcript that lacks entries.")] = False,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Make sessions of an archive.

    All that an export wrote, or none of it; or one session of a local Claude Code. The source is only read. Prints
    the keys of the new sessions, or the ids of those without a key.
    """
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.importing import from_archive, from_claude
    from outlive.entrypoints.running import at_rest
    from outlive.flows.sessions.import_claude import ClaudeSession

    done = deed("session.imported", key or "", source=source)
    if _UUID.fullmatch(source):
        found = ClaudeSession(config.expanduser(), source, project, work)
        made = at_rest(
            lambda app: from_claude(app, found, key, allow_holes=allow_holes), deed=done, data=data, tenant=tenant
        )
    else:
        with progress.shown("Importing", "sessions") as watch:
            made = at_rest(lambda app: from_archive(app, Path(source), key, watch), deed=done, data=data, tenant=tenant)
    if json:
        print_json({"imported": made})
        return
    for each in made:
        say(f"{each.source}: {counted(each.files, 'file')}, {each.bytes:,} bytes, session {each.session_id}")
        print_text("\n".join(each.keys) or each.session_id)
