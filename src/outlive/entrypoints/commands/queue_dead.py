"""`outlive queue dead`: the messages that were received too often."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import first_words, local_time, print_json, print_table, say

COLUMNS = ("id", "session key", "message", "receives", "died", "reason", "text")


def queue_dead(
    *,
    after: Annotated[str, typer.Option(help="Go on behind this dead letter's id.", show_default=False)] = "",
    limit: options.Limit = 50,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """List the dead letters, oldest first.

    Messages that were received too often, each with the reason of its last failure.
    """
    from outlive.entrypoints.running import at_rest
    from outlive.entrypoints.terminal.letters import list_letters

    letters = at_rest(lambda app: list_letters(app, after, limit), data=data)
    more = letters[-1].id if len(letters) == limit else None
    if json:
        print_json({"dead_letters": letters, "after": more})
        return
    rows = [
        [e.id, e.session_key, e.message_id, e.receives, local_time(e.died_at), e.reason, first_words(e.text or "?")]
        for e in letters
    ]
    print_table(COLUMNS, rows, empty="There are no dead letters.")
    if more:
        say(f"There may be more: outlive queue dead --after {more}")
