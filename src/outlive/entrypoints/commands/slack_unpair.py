"""`outlive slack unpair`: let somebody in no more."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options


def slack_unpair(
    sender: Annotated[str, typer.Argument(help="The person's id, as !whoami shows it.")],
    *,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Let a paired person talk to the app no more."""
    from outlive.entrypoints.running import at_rest
    from outlive.entrypoints.slack.people import unpair
    from outlive.entrypoints.terminal.output import print_json, say

    gone = at_rest(lambda app: unpair(app, sender), data=data, tenant=tenant)
    if json:
        print_json({"sender": gone})
    else:
        say(f"{gone} may talk to the app no more.")
