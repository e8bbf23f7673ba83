"""`outlive serve`: the HTTP API, with workers of its own."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.errors import Invalid


def serve(
    *,
    host: Annotated[
        str | None, typer.Option(envvar="OUTLIVE_HTTP_HOST", help="Address to listen on.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(envvar="OUTLIVE_HTTP_PORT", min=0, max=65535, help="Port; 0: a free one.", show_default=False),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            envvar="OUTLIVE_HTTP_WORKERS",
            min=0,
            max=64,
            help="Turns to run at one time in this process; 0: leave them to `outlive worker`.",
            show_default=False,
        ),
    ] = None,
    data: options.Data = None,
    model: options.Model = None,
    profile: options.Profile = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Serve the HTTP API and the web console.

    Takes messages, streams replies, and does everything an operator does, for whoever has a key (`outlive tokens
    create`) or the internal token (SDK_CLIENT_AUTH_TOKEN). Runs turns itself, fires schedules and tries replies again.
    SIGTERM or Ctrl-C ends it: streams end, running turns are finished within the grace time.
    """
    try:
        from outlive.entrypoints.serving import run_server
    except ModuleNotFoundError as error:
        raise Invalid(f"the HTTP API needs the package {error.name}.", fix="Install outlive[http].") from error
    from outlive.settings import load_settings

    settings = load_settings(
        http_host=host, http_port=port, http_workers=workers, data=data, model=model, profile=profile, tenant=tenant
    )
    run_server(settings, as_json=json)
