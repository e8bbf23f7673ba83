"""The part of the settings that is about chat services and the HTTP API."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class ChannelSettings(BaseSettings):
    """Who may talk to the agent through which service, and with which secrets; see `settings.Settings`."""

    telegram_bot_token: SecretStr | None = Field(
        None, validation_alias="TELEGRAM_BOT_TOKEN", description="Token of the Telegram bot (`TELEGRAM_BOT_TOKEN`)."
    )
    telegram_webhook_secret: SecretStr | None = Field(
        None,
        validation_alias="TELEGRAM_WEBHOOK_SECRET",
        description="What Telegram has to send along with each update (`TELEGRAM_WEBHOOK_SECRET`).",
    )
    telegram_url: str = Field(
        "https://api.telegram.org",
        pattern=r"^https?://.",
        description="Where the Bot API is; another for a local server.",
    )
    telegram_allow: str = Field(
        "",
        pattern=r"^\s*(-?\d+\s*([,\s]\s*-?\d+\s*)*)?$",
        description="Numeric ids of people, and of groups (negative), that may talk to the bot, with commas between.",
    )
    telegram_owners: str = Field(
        "",
        pattern=r"^\s*(\d+\s*([,\s]\s*\d+\s*)*)?$",
        description="Numeric ids of the people who may use `/debug` and `/export`, with commas between.",
    )
    telegram_tenant: Literal["chat", "shared"] = Field(
        "chat", description="Whether each chat is a tenant of its own, or all share the tenant of the settings."
    )
    telegram_edits: Literal["ignore", "ask"] = Field(
        "ignore", description="Whether an edited message is asked again as a new one."
    )
    telegram_groups: Literal["mention", "all"] = Field(
        "mention", description="What the bot reads in groups: what is said to it, or everything."
    )
    wechat_app_id: str = Field(
        "", validation_alias="WECHAT_APP_ID", description="App id of the WeChat official account (`WECHAT_APP_ID`)."
    )
    wechat_app_secret: SecretStr | None = Field(
        None, validation_alias="WECHAT_APP_SECRET", description="Its secret (`WECHAT_APP_SECRET`)."
    )
    wechat_token: SecretStr | None = Field(
        None, validation_alias="WECHAT_TOKEN", description="The token its requests are signed with (`WECHAT_TOKEN`)."
    )
    wechat_aes_key: SecretStr | None = Field(
        None, validation_alias="WECHAT_AES_KEY", description="Its EncodingAESKey (`WECHAT_AES_KEY`); empty: plain mode."
    )
    wecom_bot_token: SecretStr | None = Field(
        None, validation_alias="WECOM_BOT_TOKEN", description="Token of the WeCom AI bot (`WECOM_BOT_TOKEN`)."
    )
    wecom_bot_aes_key: SecretStr | None = Field(
        None, validation_alias="WECOM_BOT_AES_KEY", description="Its EncodingAESKey (`WECOM_BOT_AES_KEY`)."
    )
    wechat_url: str = Field(
        "https://api.weixin.qq.com", pattern=r"^https?://.", description="Where the official-account API is."
    )
    wecom_url: str = Field(
        "https://qyapi.weixin.qq.com", pattern=r"^https?://.", description="Where the bot's late answers may go."
    )
    wechat_allow: str = Field(
        "", description="Ids of people, and of WeCom groups, that may talk to it, with commas between; `*`: everybody."
    )
    wechat_owners: str = Field("", description="Ids of the people who may use `/debug`, with commas between.")
    wechat_tenant: Literal["chat", "shared"] = Field(
        "chat", description="Whether each chat is a tenant of its own, or all share the tenant of the settings."
    )
    slack_bot_token: SecretStr | None = Field(
        None,
        validation_alias="SLACK_BOT_TOKEN",
        description="Bot token of the Slack app, `xoxb-…` (`SLACK_BOT_TOKEN`).",
    )
    slack_app_token: SecretStr | None = Field(
        None,
        validation_alias="SLACK_APP_TOKEN",
        description="The app's own token for Socket Mode, `xapp-…` (`SLACK_APP_TOKEN`).",
    )
    slack_signing_secret: SecretStr | None = Field(
        None,
        validation_alias="SLACK_SIGNING_SECRET",
        description="What Slack signs its requests with, for `slack serve` (`SLACK_SIGNING_SECRET`).",
    )
    slack_url: str = Field(
        "https://slack.com/api", pattern=r"^https?://.", description="Where the Web API is; another for tests."
    )
    slack_allow: str = Field(
        "",
        pattern=r"^\s*([UWCGT][A-Z0-9]+\s*([,\s]\s*[UWCGT][A-Z0-9]+\s*)*)?$",
        description="Ids of people, channels and whole workspaces that may talk to the app, with commas between.",
    )
    slack_owners: str = Field(
        "",
        pattern=r"^\s*([UW][A-Z0-9]+\s*([,\s]\s*[UW][A-Z0-9]+\s*)*)?$",
        description="Ids of the people who may use `!debug` and `!export`, with commas between.",
    )
    slack_tenant: Literal["channel", "workspace", "shared"] = Field(
        "channel",
        description="What is a tenant: each channel and private chat, the workspace, or (`shared`) the settings' own.",
    )
    slack_hears: Literal["mention", "thread", "all"] = Field(
        "mention", description="What the app reads in channels: mentions; also threads that it is in; everything."
    )
    slack_live: Literal["stream", "edit", "off"] = Field(
        "stream", description="How running turns are shown: Slack's streams where they can be, edits, not at all."
    )
    http_host: str = Field("127.0.0.1", description="Address that `outlive serve` listens on.")
    http_port: int = Field(8000, ge=0, le=65535, description="Its port; 0: a free one.")
    http_workers: int = Field(1, ge=0, le=64, description="Turns that `outlive serve` runs at one time itself.")
    http_max_body: int = Field(32 << 20, ge=1024, description="Bytes of a request's body at most.")
    http_max_streams: int = Field(1000, ge=1, description="Event streams open at one time in one process at most.")
    client_auth_token: SecretStr | None = Field(
        None,
        validation_alias="SDK_CLIENT_AUTH_TOKEN",
        description="The internal token of the HTTP API, for everything (`SDK_CLIENT_AUTH_TOKEN`).",
    )
