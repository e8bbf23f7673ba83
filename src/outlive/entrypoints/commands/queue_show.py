"""`outlive queue show`: one dead letter whole."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import local_time, print_fields, print_json, print_text


def queue_show(
    letter: Annotated[str, typer.Argument(help="Id of a dead letter, as `outlive queue dead` lists it.")],
    *,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Show a dead letter.

    Whose it is, why it died, and its whole text; of one that cannot be read, its bytes.
    """
    from outlive.entrypoints.running import at_rest
    from outlive.entrypoints.terminal.letters import find_letter

    found, body = at_rest(lambda app: find_letter(app, letter), data=data)
    if json:
        print_json({"dead_letter": found, "body": body})
        return
    print_fields(
        {
            "id": found.id,
            "session key": found.session_key,
            "message": found.message_id,
            "receives": found.receives,
            "died": local_time(found.died_at),
            "reason": found.reason,
        }
    )
    print_text("\n" + (body if found.text is None else found.text))
