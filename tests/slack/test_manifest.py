"""The manifest: what the app needs, as Slack reads it."""

from __future__ import annotations

import json

import pytest
import yaml

from outlive.channels.slack.manifest import EVENTS, as_yaml, manifest
from outlive.errors import Invalid


@pytest.mark.parametrize("url", ["", "https://bot.example.org/slack"])
def test_the_yaml_is_the_manifest(url: str) -> None:
    """What is printed as YAML is read back as the same manifest."""
    made = manifest(name="my: bot", url=url)
    assert yaml.safe_load(as_yaml(made)) == json.loads(json.dumps(made))


def test_every_event_has_its_scope() -> None:
    """Each event that is asked for comes with the scope that Slack wants for it."""
    made = json.loads(json.dumps(manifest()))
    scopes = set(made["oauth_config"]["scopes"]["bot"])
    needed = {"app_mention": "app_mentions:read", "message.channels": "channels:history"}
    needed |= {f"message.{kind}": f"{kind}:history" for kind in ("groups", "im", "mpim")}
    assert {needed[event] for event in EVENTS} <= scopes


def test_an_address_ends_socket_mode() -> None:
    """With an address events, buttons and commands go there; without one Socket Mode is on."""
    url = "https://bot.example.org/slack"
    settings = json.loads(json.dumps(manifest(url=url)))["settings"]
    assert settings["event_subscriptions"]["request_url"] == settings["interactivity"]["request_url"] == url
    assert (settings["socket_mode_enabled"], json.loads(json.dumps(manifest()))["settings"]["socket_mode_enabled"]) == (
        False,
        True,
    )


@pytest.mark.parametrize("wrong", [{"url": "http://a.example"}, {"name": ""}, {"name": "x" * 36}])
def test_what_slack_would_refuse_is_refused_here(wrong: dict[str, str]) -> None:
    """An address without TLS and a name that is too long are named with the fix."""
    with pytest.raises(Invalid) as caught:
        manifest(**wrong)
    assert caught.value.fix
