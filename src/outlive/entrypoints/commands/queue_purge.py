"""`outlive queue purge`: dead letters removed for good."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

import sys
from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal import progress
from outlive.entrypoints.terminal.output import print_json, print_text, say
from outlive.errors import Invalid


def queue_purge(
    letters: Annotated[list[str] | None, typer.Argument(help="Ids of dead letters.", show_default=False)] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All dead letters there are now.")] = False,
    yes: options.Yes = False,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Remove dead letters for good.

    Their messages are never answered. Prints the ids.
    """
    from outlive.entrypoints.running import at_rest
    from outlive.entrypoints.terminal.letters import purge

    if bool(letters) == everything:
        raise Invalid("it is not clear which dead letters are meant.", fix="Give their ids, or --all.")
    if not yes:
        _confirm(letters)
    with progress.shown("Purging", "letters") as watch:
        done = at_rest(lambda app: purge(app, letters or None, watch), data=data)
    if json:
        print_json({"purged": done})
        return
    say(f"{len(done)} dead letters removed.")
    for each in done:
        print_text(each)


def _confirm(letters: list[str] | None) -> None:
    if not sys.stdin.isatty():
        raise Invalid("a purge has to be confirmed.", fix="Pass --yes.")
    which = f"{len(letters)} dead letters" if letters else "all dead letters"
    typer.confirm(f"Remove {which}? It cannot be undone.", abort=True, err=True)
