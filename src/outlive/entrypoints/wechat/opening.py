"""The account and the bot behind an app's settings: their doors, their channels, and whom they listen to."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from outlive.channels.wechat.account import AccountChannel
from outlive.channels.wechat.bot import BotChannel
from outlive.channels.wechat.rules import ACCOUNT, BOT, Rules, listed
from outlive.channels.wechat.sealing import Sealer
from outlive.channels.wechat.webhook import AccountDoor, BotDoor
from outlive.errors import Invalid
from outlive.settings import Settings
from outlive.wiring import App

HOW_TO_BEGIN = (
    "Set WECHAT_APP_ID, WECHAT_APP_SECRET and WECHAT_TOKEN, or WECOM_BOT_TOKEN and WECOM_BOT_AES_KEY; "
    "see docs/how-to/wechat.md."
)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that a request may need."""

    app: App
    rules: Rules
    account: tuple[AccountDoor, AccountChannel] | None
    bot: tuple[BotDoor, BotChannel] | None


def open_desk(app: App) -> Desk:
    """`Invalid` when neither an account nor a bot is set up, or a key of theirs is none."""
    settings, channels = app.settings, app.engine.channels
    account, bot = channels.get(ACCOUNT), channels.get(BOT)
    if not (isinstance(account, AccountChannel) or isinstance(bot, BotChannel)):
        raise Invalid("there is neither an official account nor a WeCom bot.", fix=HOW_TO_BEGIN)
    return Desk(
        app,
        Rules(
            listed(settings.wechat_allow),
            settings.tenant if settings.wechat_tenant == "shared" else "",
            listed(settings.wechat_owners),
        ),
        (_account_door(settings), account) if isinstance(account, AccountChannel) else None,
        (_bot_door(settings), bot) if isinstance(bot, BotChannel) else None,
    )


def _account_door(settings: Settings) -> AccountDoor:
    key = _secret(settings.wechat_aes_key)
    return AccountDoor(_secret(settings.wechat_token), Sealer(key, settings.wechat_app_id) if key else None)


def _bot_door(settings: Settings) -> BotDoor:
    return BotDoor(_secret(settings.wecom_bot_token), Sealer(_secret(settings.wecom_bot_aes_key), ""))


def _secret(given: SecretStr | None) -> str:
    return given.get_secret_value() if given else ""
