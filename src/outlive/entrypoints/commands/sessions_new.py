"""`outlive sessions new`: a fresh session behind a key."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_text


def sessions_new(
    key: options.Key,
    *,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Point a key at a fresh session now, and print its id.

    The one before stays, under its id. A turn that runs there finishes there, and still answers.
    """
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.running import at_rest
    from outlive.flows.delivery.control_session import new_session

    session_id = at_rest(
        lambda app: new_session(app.engine, app.key(key)), deed=deed("session.renewed", key), data=data, tenant=tenant
    )
    if json:
        print_json({"session_id": session_id})
    else:
        print_text(session_id)
