"""Which chat services are set up, opened as channels."""

from __future__ import annotations

from contextlib import AsyncExitStack

from outlive.channels.api import ApiChannel
from outlive.channels.console import ConsoleChannel
from outlive.clock import SystemClock
from outlive.errors import Invalid
from outlive.protocols import Channel, Objects, Table
from outlive.settings import Settings


def open_channels(settings: Settings, table: Table, objects: Objects, stack: AsyncExitStack) -> dict[str, Channel]:
    """The terminal, the HTTP API, and each chat service that has its token; `Invalid` when its extra is missing."""
    opened: dict[str, Channel] = {"console": ConsoleChannel(), "api": ApiChannel(objects)}
    for open_one in (_telegram, _slack, _wechat):
        opened |= open_one(settings, table, stack)
    return opened


def _telegram(settings: Settings, table: Table, stack: AsyncExitStack) -> dict[str, Channel]:
    """The bot's channel, when there is a token; nobody else loads an HTTP client for it."""
    if settings.telegram_bot_token is None:
        return {}
    try:
        from outlive.channels.telegram.channel import TelegramChannel  # noqa: PLC0415
        from outlive.channels.telegram.client import BotClient  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Invalid(f"Telegram needs the package {error.name}.", fix="Install outlive[telegram].") from error
    clock = SystemClock()
    bot = BotClient(settings.telegram_bot_token.get_secret_value(), clock, base_url=settings.telegram_url)
    channel = TelegramChannel(bot, table, clock)
    stack.push_async_callback(channel.close)
    return {"telegram": channel}


def _wechat(settings: Settings, table: Table, stack: AsyncExitStack) -> dict[str, Channel]:
    """The channels of an official account and of a WeCom bot, each when its token is there."""
    if not (settings.wechat_token or settings.wecom_bot_token):
        return {}
    try:
        from outlive.channels.wechat.account import AccountChannel  # noqa: PLC0415
        from outlive.channels.wechat.bot import BotChannel  # noqa: PLC0415
        from outlive.channels.wechat.client import AccountClient  # noqa: PLC0415
        from outlive.channels.wechat.sealing import Sealer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Invalid(f"WeChat needs the package {error.name}.", fix="Install outlive[wechat].") from error
    clock, found = SystemClock(), dict[str, AccountChannel | BotChannel]()
    if settings.wechat_token:
        secret = settings.wechat_app_secret.get_secret_value() if settings.wechat_app_secret else ""
        client = AccountClient(settings.wechat_app_id, secret, clock, base_url=settings.wechat_url)
        found["wechat"] = AccountChannel(client, table, clock)
    if settings.wecom_bot_token:
        key = settings.wecom_bot_aes_key.get_secret_value() if settings.wecom_bot_aes_key else ""
        found["wecom"] = BotChannel(table, clock, Sealer(key, ""), base_url=settings.wecom_url)
    for channel in found.values():
        stack.push_async_callback(channel.close)
    return {**found}


def _slack(settings: Settings, table: Table, stack: AsyncExitStack) -> dict[str, Channel]:
    """The app's channel, when there is a token; nobody else loads an HTTP client for it."""
    if settings.slack_bot_token is None:
        return {}
    try:
        from outlive.channels.slack.channel import SlackChannel  # noqa: PLC0415
        from outlive.channels.slack.client import SlackClient  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Invalid(f"Slack needs the package {error.name}.", fix="Install outlive[slack].") from error
    clock, own = SystemClock(), settings.slack_app_token
    client = SlackClient(
        settings.slack_bot_token.get_secret_value(),
        clock,
        app_token=own.get_secret_value() if own else "",
        base_url=settings.slack_url,
    )
    channel = SlackChannel(client, table, clock, style=settings.slack_live)
    stack.push_async_callback(channel.close)
    return {"slack": channel}
