"""`outlive telegram webhook`: set, remove, look at; and `pair`, `unpair`."""

from __future__ import annotations

from typing import Any

from outlive.channels.telegram.parse import ALLOWED_UPDATES
from outlive.channels.telegram.rules import CHANNEL
from outlive.channels.telegram.webhook import check_secret
from outlive.entrypoints.telegram.opening import channel_of
from outlive.errors import Invalid
from outlive.flows.delivery.pair_sender import Pairing, approve_pairing, end_pairing
from outlive.wiring import App


async def set_webhook(app: App, url: str, *, connections: int, drop: bool) -> dict[str, Any]:
    """Let Telegram call `url` with the secret of the settings; what Telegram then knows of it."""
    secret = app.settings.telegram_webhook_secret
    parameters = {
        "url": url,
        "secret_token": check_secret(secret.get_secret_value() if secret else ""),
        "allowed_updates": list(ALLOWED_UPDATES),
        "max_connections": connections,
        "drop_pending_updates": drop,
    }
    await channel_of(app).bot.call("setWebhook", parameters)
    return await webhook_info(app)


async def delete_webhook(app: App, *, drop: bool) -> dict[str, Any]:
    """Let Telegram call nothing any more."""
    await channel_of(app).bot.call("deleteWebhook", {"drop_pending_updates": drop})
    return await webhook_info(app)


async def webhook_info(app: App) -> dict[str, Any]:
    """What Telegram knows of the webhook."""
    info: dict[str, Any] = await channel_of(app).bot.call("getWebhookInfo")
    return info


async def pair(app: App, code: str, *, owner: bool) -> Pairing:
    """Let in whoever has the code."""
    return await approve_pairing(app.engine, app.stores, CHANNEL, code, is_owner=owner)


async def unpair(app: App, sender: str) -> str:
    """Let the sender in no more; their id."""
    if not sender.isdigit():
        raise Invalid(f"sender {sender!r} is not a numeric id.", fix="/whoami shows it.")
    await end_pairing(app.engine, app.stores, CHANNEL, sender)
    return sender
