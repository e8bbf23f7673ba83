"""`outlive link create`: a code that brings another channel to the same session."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import local_time, print_json, print_text, say


def link_create(key: options.Key, *, data: options.Data = None, json: options.Json = False) -> None:
    """Make a link code.

    Whoever redeems it on another channel within ten minutes talks to the same session from there. It counts once.
    """
    from outlive.entrypoints.running import at_rest
    from outlive.flows.delivery.link_sessions import create_link

    code, until = at_rest(lambda app: create_link(app.engine, app.key(key)), data=data)
    if json:
        print_json({"code": code, "until": until})
        return
    print_text(code)
    say(f"Redeem it by {local_time(until)}: /link {code} on the other channel, or `outlive link redeem KEY {code}`.")
