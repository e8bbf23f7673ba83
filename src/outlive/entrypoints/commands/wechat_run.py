"""`outlive wechat run`: an official account, a WeCom bot, or both, in one process."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options


def wechat_run(
    *,
    http: Annotated[str, typer.Option(help="Where to listen, HOST:PORT; port 0: a free one.")] = "127.0.0.1:8180",
    workers: Annotated[int, typer.Option(min=0, max=64, help="Turns that may run at a time; 0: others work.")] = 4,
    data: options.Data = None,
    model: options.Model = None,
    profile: options.Profile = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Serve the webhooks of WECHAT_TOKEN and WECOM_BOT_TOKEN.

    The official account is at /wechat, the bot at /wecom; a proxy in front has to speak HTTPS. Answers within 5 seconds
    go out on the request itself where the turn runs in this process. SIGTERM or Ctrl-C ends the intake; running turns
    are finished within the grace time, or stored as far as they got and given back.
    """
    from outlive.entrypoints.wechat.running import run_webhook
    from outlive.settings import load_settings

    settings = load_settings(data=data, model=model, profile=profile, tenant=tenant)
    run_webhook(settings, http, workers=workers, as_json=json)
