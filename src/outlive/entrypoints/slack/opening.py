"""The app behind the settings: its channel, and its rules once Slack has said who it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outlive.channels.slack.channel import SlackChannel
from outlive.channels.slack.rules import CHANNEL, Rules, ids
from outlive.errors import Invalid
from outlive.settings import Settings
from outlive.wiring import App

HOW_TO_BEGIN = "Set SLACK_BOT_TOKEN to the app's bot token (xoxb-…); see docs/how-to/slack.md."


@dataclass(frozen=True, slots=True)
class Bot:
    """An app that Slack knows."""

    app: App
    channel: SlackChannel
    rules: Rules
    name: str
    """Of the app and its workspace, for people."""


def channel_of(app: App) -> SlackChannel:
    """The app's Slack channel; `Invalid` when there is no token."""
    channel = app.engine.channels.get(CHANNEL)
    if not isinstance(channel, SlackChannel):
        raise Invalid("there is no bot token.", fix=HOW_TO_BEGIN)
    return channel


async def open_bot(app: App) -> Bot:
    """Ask Slack who the app is; `Refused` for a wrong token."""
    channel = channel_of(app)
    me = await channel.client.call("auth.test")
    channel.live.team = str(me["team_id"])
    return Bot(app, channel, rules_of(app.settings, me), f"{me.get('user', 'the app')} in {me.get('team', 'Slack')}")


def rules_of(settings: Settings, me: Mapping[str, Any]) -> Rules:
    """The settings as the channel takes them."""
    return Rules(
        bot_user=str(me["user_id"]),
        team_id=str(me["team_id"]),
        allowed=ids(settings.slack_allow),
        owners=ids(settings.slack_owners),
        tenant=settings.tenant if settings.slack_tenant == "shared" else "",
        by_workspace=settings.slack_tenant == "workspace",
        hears=settings.slack_hears,
    )
