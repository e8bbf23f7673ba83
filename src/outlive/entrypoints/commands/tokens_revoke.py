"""`outlive tokens revoke`: a key of the HTTP API taken back."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, say


def tokens_revoke(
    key: Annotated[str, typer.Argument(help="Id of the key.")],
    *,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Revoke a key of the HTTP API, and every sign-in made with it."""
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.running import at_rest
    from outlive.flows.access.api_keys import revoke_api_key

    revoked = at_rest(lambda app: revoke_api_key(app.engine, key), deed=deed("token.revoked", token=key), data=data)
    if json:
        print_json({"revoked": revoked.id})
    else:
        say(f"Key {revoked.id} ({revoked.name}) counts no more.")
