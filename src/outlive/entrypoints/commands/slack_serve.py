"""`outlive slack serve`: the app's public address, for the Events API."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options


def slack_serve(
    *,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0: a free one.")] = (
        "127.0.0.1:3000"
    ),
    workers: Annotated[int, typer.Option(min=0, max=64, help="Turns that may run at a time; 0: intake alone.")] = 4,
    data: options.Data = None,
    model: options.Model = None,
    profile: options.Profile = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Answer Slack's requests: events, buttons and slash commands, all at one address.

    They are verified with SLACK_SIGNING_SECRET. Put a server with TLS before it. With --workers 0 messages go into the
    queue only, and `outlive worker` elsewhere runs them. GET /health answers while it serves.
    """
    from outlive.entrypoints.slack.running import run_endpoint
    from outlive.settings import load_settings

    settings = load_settings(data=data, model=model, profile=profile, tenant=tenant)
    run_endpoint(settings, listen, workers=workers, as_json=json)
