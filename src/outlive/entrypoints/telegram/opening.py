"""The bot behind an app's settings: its channel, and its rules once Telegram has said who it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from outlive.channels.telegram.channel import TelegramChannel
from outlive.channels.telegram.rules import CHANNEL, Rules, numbers
from outlive.errors import Invalid
from outlive.settings import Settings
from outlive.wiring import App

HOW_TO_BEGIN = "Set TELEGRAM_BOT_TOKEN to the token that @BotFather gave you; see docs/how-to/telegram.md."


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot that Telegram knows."""

    app: App
    channel: TelegramChannel
    rules: Rules


def channel_of(app: App) -> TelegramChannel:
    """The app's Telegram channel; `Invalid` when there is no token."""
    channel = app.engine.channels.get(CHANNEL)
    if not isinstance(channel, TelegramChannel):
        raise Invalid("there is no bot token.", fix=HOW_TO_BEGIN)
    return channel


async def open_bot(app: App) -> Bot:
    """Ask Telegram who the bot is; `Refused` for a wrong token."""
    channel = channel_of(app)
    me = await channel.bot.call("getMe")
    return Bot(app, channel, rules_of(app.settings, me))


def rules_of(settings: Settings, me: dict[str, Any]) -> Rules:
    """The settings as the channel takes them."""
    return Rules(
        bot_id=int(me["id"]),
        username=str(me.get("username", "")),
        allowed=numbers(settings.telegram_allow),
        owners=numbers(settings.telegram_owners),
        tenant=settings.tenant if settings.telegram_tenant == "shared" else "",
        takes_edits=settings.telegram_edits == "ask",
        hears_all=settings.telegram_groups == "all",
    )
