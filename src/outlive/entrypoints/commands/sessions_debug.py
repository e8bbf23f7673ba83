"""`outlive sessions debug`: the agent's debug log of a turn."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_text, say


def sessions_debug(
    session: options.Session,
    *,
    turn: Annotated[int | None, typer.Option(min=1, help="Of this turn; the newest by default.")] = None,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Print the CLI's debug log of a turn.

    Kept where OUTLIVE_DEBUG is on, for turns that failed as well. Of several attempts at a turn, the last one.
    """
    from outlive.entrypoints.running import at_session
    from outlive.flows.turn.keep_debug import read_debug

    log, content = at_session(session, partial(read_debug, turn=turn), data=data, tenant=tenant)
    text = content.decode(errors="replace")
    if json:
        print_json({"turn": log.turn, "attempt": log.attempt, "text": text})
        return
    say(f"turn {log.turn}, under fence {log.attempt}, {len(content):,} bytes")
    print_text(text.rstrip("\n"))
