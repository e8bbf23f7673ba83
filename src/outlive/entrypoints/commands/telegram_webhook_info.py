"""`outlive telegram webhook info`: what Telegram knows of the webhook."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from outlive.entrypoints import options


def telegram_webhook_info(*, json: options.Json = False) -> None:
    """Show the webhook's URL, how many updates wait, and its last error."""
    from outlive.entrypoints.running import at_rest
    from outlive.entrypoints.telegram.hooks import webhook_info
    from outlive.entrypoints.terminal.output import print_fields, print_json

    (print_json if json else print_fields)(at_rest(webhook_info))
