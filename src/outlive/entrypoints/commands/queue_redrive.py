"""`outlive queue redrive`: dead letters sent again."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal import progress
from outlive.entrypoints.terminal.output import print_json, print_text, say
from outlive.errors import Invalid


def queue_redrive(
    letters: Annotated[list[str] | None, typer.Argument(help="Ids of dead letters.", show_default=False)] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All dead letters there are now.")] = False,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Send dead letters again.

    Each goes to the end of its session's messages. Prints their ids. A message that was answered in the meantime is
    not answered twice.
    """
    from outlive.entrypoints.running import at_rest
    from outlive.entrypoints.terminal.letters import redrive

    if bool(letters) == everything:
        raise Invalid("it is not clear which dead letters are meant.", fix="Give their ids, or --all.")
    with progress.shown("Redriving", "letters") as watch:
        done = at_rest(lambda app: redrive(app, letters or None, watch), data=data)
    if json:
        print_json({"redriven": done})
        return
    say("1 message waits again." if len(done) == 1 else f"{len(done)} messages wait again.")
    for each in done:
        print_text(each)
