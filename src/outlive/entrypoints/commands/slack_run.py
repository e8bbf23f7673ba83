"""`outlive slack run`: the app in one process, over Socket Mode."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options


def slack_run(
    *,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Turns that may run at a time.")] = 4,
    data: options.Data = None,
    model: options.Model = None,
    profile: options.Profile = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Serve the app of SLACK_BOT_TOKEN and SLACK_APP_TOKEN over Socket Mode.

    No public address is needed: whoever writes to it first gets a code, and `outlive slack pair` lets them in. Without
    a model's key the scripted model stands in, which is not a language model. SIGTERM or Ctrl-C ends the intake;
    running turns are finished within the grace time, or stored as far as they got and given back.
    """
    from outlive.entrypoints.slack.running import run_socket
    from outlive.settings import load_settings

    run_socket(load_settings(data=data, model=model, profile=profile, tenant=tenant), workers=workers, as_json=json)
