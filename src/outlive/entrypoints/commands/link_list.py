"""`outlive link list`: the keys that share a session."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_table


def link_list(key: options.Key, *, data: options.Data = None, json: options.Json = False) -> None:
    """List the keys of a session.

    Every session key that points at the session behind this one, itself included.
    """
    from outlive.entrypoints.running import at_rest
    from outlive.flows.delivery.link_sessions import list_links

    links = at_rest(lambda app: list_links(app.engine, app.key(key)), data=data)
    if json:
        print_json({"links": links})
        return
    print_table(("session key", "session"), [[each.session_key, each.session_id] for each in links], empty="")
