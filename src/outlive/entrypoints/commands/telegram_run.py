"""`outlive telegram run`: the bot in one process."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options


def telegram_run(
    *,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Turns that may run at a time.")] = 4,
    data: options.Data = None,
    model: options.Model = None,
    profile: options.Profile = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Serve the bot of TELEGRAM_BOT_TOKEN by long polling.

    Nothing else is needed: whoever writes to it first gets a code, and `outlive telegram pair` lets them in. Without a
    model's key the scripted model stands in, which is not a language model. SIGTERM or Ctrl-C ends the intake; running
    turns are finished within the grace time, or stored as far as they got and given back.
    """
    from outlive.entrypoints.telegram.running import run_bot
    from outlive.settings import load_settings

    run_bot(load_settings(data=data, model=model, profile=profile, tenant=tenant), workers=workers, as_json=json)
