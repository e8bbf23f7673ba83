"""`outlive aws webhook`: let Telegram send updates to the deployment."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from outlive.entrypoints import options
from outlive.entrypoints.aws_stack.options import STACK, Region, Stack, Yes


def aws_webhook(*, stack: Stack = STACK, region: Region = None, yes: Yes = False, json: options.Json = False) -> None:
    """Let Telegram send the bot's updates to the deployment, with the secret of TELEGRAM_WEBHOOK_SECRET.

    Nothing is done without --yes.
    """
    from outlive.entrypoints.aws_stack.stack import telegram_url
    from outlive.entrypoints.running import at_rest
    from outlive.entrypoints.telegram.hooks import set_webhook
    from outlive.entrypoints.terminal.output import print_fields, print_json, say

    url = telegram_url(stack, region)
    if not yes:
        (print_json if json else print_fields)({"done": False, "url": url})
        say("Nothing was done; --yes tells Telegram.")
        return
    info = at_rest(lambda app: set_webhook(app, url, connections=40, drop=False))
    (print_json if json else print_fields)({"done": True} | info)
