"""`outlive telegram webhook set`: let Telegram call a URL."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options


def telegram_webhook_set(
    url: Annotated[str, typer.Argument(help="Where Telegram is to send updates; HTTPS on port 443, 80, 88 or 8443.")],
    *,
    connections: Annotated[int, typer.Option(min=1, max=100, help="Requests at a time.")] = 40,
    drop: Annotated[bool, typer.Option("--drop", help="Forget the updates that wait.")] = False,
    json: options.Json = False,
) -> None:
    """Let Telegram send the bot's updates to a URL, with the secret of TELEGRAM_WEBHOOK_SECRET."""
    from outlive.entrypoints.running import at_rest
    from outlive.entrypoints.telegram.hooks import set_webhook
    from outlive.entrypoints.terminal.output import print_fields, print_json

    info = at_rest(lambda app: set_webhook(app, url, connections=connections, drop=drop))
    (print_json if json else print_fields)(info)
