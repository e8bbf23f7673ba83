"""Checks of chat services: whether each knows our token, and whether its webhook arrives; and of who may sign in."""

# ruff: noqa: PLC0415 - the channels' libraries are loaded for those that are set up

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from outlive.clock import SystemClock
from outlive.entrypoints.doctor.findings import Found, warn
from outlive.flows.access.api_keys import list_api_keys
from outlive.wiring import App

BACKLOG = 100
"""Updates that wait at Telegram: from so many on something is wrong with the webhook."""
RECENT = 3600.0
"""Seconds that a webhook's last error is worth a warning."""


def looks(app: App) -> Mapping[str, Callable[[], Awaitable[Found]]]:
    """The checks of those channels that have their token."""
    known: dict[str, Callable[[App], Awaitable[Found]]] = {
        "telegram": telegram,
        "slack": slack,
        "wechat": wechat,
    }
    return {name: partial(look, app) for name, look in known.items() if name in app.engine.channels}


async def telegram(app: App) -> Found:
    """Whether Telegram knows the bot, and whether it reaches the webhook where there is one."""
    from outlive.entrypoints.telegram.hooks import webhook_info
    from outlive.entrypoints.telegram.opening import open_bot

    bot, hook = await open_bot(app), await webhook_info(app)
    name = f"@{bot.rules.username}"
    if not hook.get("url"):
        return Found(f"{name}; no webhook is set, `outlive telegram run` asks for updates")
    if SystemClock().now() - float(hook.get("last_error_date", 0)) < RECENT:
        said = hook.get("last_error_message", "an error")
        fix = "See that the address answers from outside, and set it again: outlive telegram webhook set URL."
        return warn(f"{name}: Telegram could not reach {hook['url']} in the last hour: {said}", fix)
    if (waiting := int(hook.get("pending_update_count", 0))) >= BACKLOG:
        return warn(f"{name}: {waiting} updates wait at Telegram", "See whether `outlive telegram serve` answers.")
    if app.settings.telegram_webhook_secret is None:
        return warn(f"{name}: a webhook is set, and there is no secret for it", "Set TELEGRAM_WEBHOOK_SECRET.")
    return Found(f"{name}, webhook at {hook['url']}, {waiting} updates wait")


async def slack(app: App) -> Found:
    """Whether Slack knows the app, and whether it has what it hears with."""
    from outlive.entrypoints.slack.opening import open_bot

    bot, settings = await open_bot(app), app.settings
    if settings.slack_app_token is None and settings.slack_signing_secret is None:
        return warn(f"{bot.name}: it can send and hears nothing",
                    "Set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for the Events API.")  # fmt: skip
    return Found(bot.name)


async def wechat(app: App) -> Found:
    """Whether an official account has what it takes to send later than at once; WeChat itself is not asked."""
    settings = app.settings
    if not settings.wechat_app_id or settings.wechat_app_secret is None:
        return warn("it can only answer while the request waits (5 s)",
                    "Set WECHAT_APP_ID and WECHAT_APP_SECRET for customer-service messages.")  # fmt: skip
    return Found(f"app {settings.wechat_app_id}; its secret is not tried, each new token ends the one before")


async def api_keys(app: App) -> Found:
    """Who may use the HTTP API and the console."""
    now = SystemClock().now()
    keys = await list_api_keys(app.engine, None)
    ended = [key for key in keys if key.expires_at is not None and key.expires_at <= now]
    admins = sum(key.role == "admin" for key in keys if key not in ended)
    if keys and not admins:
        return warn(f"{len(keys)} keys, none of an admin", "Make one: outlive tokens create NAME --role admin.")
    return Found(
        f"{len(keys)} keys, {len(ended)} of them over" if keys else "none: `outlive serve` makes one for itself"
    )
