"""`outlive wechat pair`: let somebody in."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options


def wechat_pair(
    code: Annotated[str, typer.Argument(help="The code that the account or the bot gave to the person.")],
    *,
    owner: Annotated[bool, typer.Option("--owner", help="They may use /debug, too.")] = False,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Let the person with this code talk to the account or the bot."""
    from outlive.entrypoints.running import at_rest
    from outlive.entrypoints.terminal.output import print_json, say
    from outlive.entrypoints.wechat.running import pair

    paired = at_rest(lambda app: pair(app, code, owner=owner), data=data, tenant=tenant)
    if json:
        print_json({"sender": paired.sender, "is_owner": paired.is_owner})
    else:
        say(f"{paired.sender} may talk to it.")
