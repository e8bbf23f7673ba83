"""`outlive tokens create`: a key for the HTTP API."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_text, say


def tokens_create(
    name: Annotated[str, typer.Argument(help="Whose it is, or what for.")],
    *,
    role: Annotated[
        Literal["viewer", "operator", "admin"],
        typer.Option(help="Looks; also sends and changes; also erases, exports, limits and hands out keys."),
    ] = "operator",
    everyone: options.Everyone = False,
    days: Annotated[float | None, typer.Option(min=0, help="How long it counts.", show_default=False)] = None,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Create a key for the HTTP API and print it.

    It is shown this once: only a digest is stored.
    """
    from outlive.core.api_keys import ApiKey
    from outlive.entrypoints.deeds import deed, operator
    from outlive.entrypoints.running import at_rest
    from outlive.flows.access.api_keys import create_api_key
    from outlive.wiring import App

    seconds = None if days is None else days * 86400

    async def create(app: App) -> tuple[ApiKey, str]:
        whose = "" if everyone else app.settings.tenant
        return await create_api_key(app.engine, whose, role, name=name, by=operator(), seconds=seconds)

    key, text = at_rest(
        create, deed=deed("token.created", name=name, role=role, all=everyone), data=data, tenant=tenant
    )
    if json:
        print_json({name: value for name, value in asdict(key).items() if name != "digest"} | {"key": text})
        return
    say(f"Key {key.id} for {key.tenant or 'all tenants'}, {key.role}. It is not shown again:")
    print_text(text)
