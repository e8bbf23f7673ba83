"""`outlive telegram webhook delete`: back to polling."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options


def telegram_webhook_delete(
    *,
    drop: Annotated[bool, typer.Option("--drop", help="Forget the updates that wait.")] = False,
    json: options.Json = False,
) -> None:
    """Let Telegram call no URL any more, so that the bot can be polled."""
    from outlive.entrypoints.running import at_rest
    from outlive.entrypoints.telegram.hooks import delete_webhook
    from outlive.entrypoints.terminal.output import print_fields, print_json

    info = at_rest(lambda app: delete_webhook(app, drop=drop))
    (print_json if json else print_fields)(info)
