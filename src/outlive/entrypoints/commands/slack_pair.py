"""`outlive slack pair`: let somebody in."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options


def slack_pair(
    code: Annotated[str, typer.Argument(help="The code that the app gave to the person.")],
    *,
    owner: Annotated[bool, typer.Option("--owner", help="They may use !debug and !export, too.")] = False,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Let the person with this code talk to the app."""
    from outlive.entrypoints.running import at_rest
    from outlive.entrypoints.slack.people import pair
    from outlive.entrypoints.terminal.output import print_json, say

    paired = at_rest(lambda app: pair(app, code, owner=owner), data=data, tenant=tenant)
    if json:
        print_json({"sender": paired.sender, "name": paired.name, "is_owner": paired.is_owner})
    else:
        say(f"{paired.sender} may talk to the app.")
