"""`outlive mcp`: outlive as the memory of agents of any framework."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options


def mcp(
    *,
    http: Annotated[
        str | None,
        typer.Option("--http", help="HOST:PORT to listen on; left out: stdin and stdout.", show_default=False),
    ] = None,
    data: options.Data = None,
    profile: options.Profile = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Serve the memory as MCP tools.

    Sessions, messages, state, preferences and cached tool results. On stdin and stdout for the tenant
    of the settings, or with --http for the tenant of the caller's API key (`outlive tokens create`, role
    operator or above). SIGTERM or Ctrl-C ends it.
    """
    from outlive.entrypoints.mcp_serving import serve

    serve(http, as_json=json, data=data, profile=profile, tenant=tenant)
