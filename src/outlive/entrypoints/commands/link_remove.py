"""`outlive link remove`: a linked key gets a session of its own again."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_text, say


def link_remove(key: options.Key, *, data: options.Data = None, json: options.Json = False) -> None:
    """Take a key off its shared session.

    It points at a fresh session from now on; the shared one stays with the other keys.
    """
    from outlive.entrypoints.running import at_rest
    from outlive.flows.delivery.link_sessions import remove_link

    session_id = at_rest(lambda app: remove_link(app.engine, app.key(key)), data=data)
    if json:
        print_json({"session_id": session_id})
        return
    print_text(session_id)
    say("The key has a session of its own now.")
