"""`outlive link redeem`: a session key brought to the session of a link code."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_text, say


def link_redeem(
    key: options.Key,
    code: Annotated[str, typer.Argument(help="The code that `link create` or /link showed.")],
    *,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Redeem a link code.

    The key points at the code's session from now on; the session it had is kept, and found by its id.
    """
    from outlive.entrypoints.running import at_rest
    from outlive.flows.delivery.link_sessions import redeem_link

    session_id = at_rest(lambda app: redeem_link(app.engine, app.key(key), code), data=data)
    if json:
        print_json({"session_id": session_id})
        return
    print_text(session_id)
    say("Both talk to this session now.")
