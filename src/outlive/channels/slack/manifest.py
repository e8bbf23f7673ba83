"""The app as Slack is told about it: https://docs.slack.dev/reference/app-manifest. Standard library only."""

from __future__ import annotations

import json

from outlive.channels.slack.commands import COMMANDS, SLASH
from outlive.errors import Invalid

SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "im:history",
    "mpim:history",
)
MAX_NAME = 35
EVENTS = ("app_mention", "message.channels", "message.groups", "message.im", "message.mpim")


def manifest(*, name: str = "outlive", url: str = "") -> dict[str, object]:
    """For Socket Mode, or with the public `url` of `outlive slack serve` for events; `Invalid` names the fix."""
    if url and not url.startswith("https://"):
        raise Invalid(f"url {url!r} is not public.", fix="Slack calls addresses that begin with https:// only.")
    if not 1 <= len(name) <= MAX_NAME:
        raise Invalid(f"name is {len(name)} characters long.", fix=f"Use 1 to {MAX_NAME}.")
    at: dict[str, object] = {"request_url": url} if url else {}
    slash: dict[str, object] = {
        "command": SLASH,
        "description": "Stop, begin anew, see what runs",
        "usage_hint": " | ".join(COMMANDS),
        "should_escape": False,
        **({"url": url} if url else {}),
    }
    return {
        "display_information": {"name": name, "description": "An agent that remembers"},
        "features": {
            "app_home": {
                "home_tab_enabled": False,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "assistant_view": {"assistant_description": "An agent that remembers"},
            "bot_user": {"display_name": name, "always_online": True},
            "slash_commands": [slash],
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": {**at, "bot_events": list(EVENTS)},
            "interactivity": {"is_enabled": True, **at},
            "org_deploy_enabled": False,
            "socket_mode_enabled": not url,
            "token_rotation_enabled": False,
        },
    }


def as_yaml(value: object, indent: int = 0) -> str:
    """Nested objects and lists of plain values as YAML; every text is quoted the JSON way, which YAML reads."""
    pad = "  " * indent
    match value:
        case dict():
            return "".join(f"{pad}{name}:{_behind(each, indent)}" for name, each in value.items())
        case list():
            return "".join(f"{pad}-{_item(each, indent)}" for each in value)
        case _:
            return f"{json.dumps(value)}\n"


def _behind(value: object, indent: int) -> str:
    """What stands behind a colon."""
    inner = as_yaml(value, indent + 1)
    return f"\n{inner}" if isinstance(value, dict | list) and value else f" {inner.strip()}\n"


def _item(value: object, indent: int) -> str:
    """What stands behind a dash; an object's first line stands beside it."""
    return f" {as_yaml(value, indent + 1).lstrip()}"
