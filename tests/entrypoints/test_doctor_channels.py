"""`outlive doctor` and the chat services: their tokens and webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from outlive.entrypoints.doctor import channel_checks
from outlive.entrypoints.doctor.findings import Check, awaited
from outlive.flows.access.api_keys import create_api_key
from outlive.settings import load_settings
from outlive.testing.slack.server import TOKEN, FakeSlack
from outlive.testing.telegram import FakeTelegram
from outlive.wiring import open_at_rest


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    """A fake Telegram."""
    async with FakeTelegram() as server:
        yield server


async def found(folder: Path, name: str, **settings: Any) -> Check:
    """What one check says."""
    async with open_at_rest(load_settings(data=folder, **settings)) as app:
        return await awaited(name, channel_checks.looks(app)[name]())


async def test_a_bot_that_telegram_knows_is_well(telegram, tmp_path) -> None:
    """The bot's name is told, and that it asks for updates by itself."""
    check = await found(tmp_path, "telegram", telegram_bot_token=telegram.token, telegram_url=telegram.url)
    assert (check.status, "no webhook is set" in check.found) == ("ok", True)


async def test_a_wrong_token_of_a_bot_is_found(telegram, tmp_path) -> None:
    """A token that Telegram does not know fails, with what to do about it."""
    check = await found(tmp_path, "telegram", telegram_bot_token="1:wrong", telegram_url=telegram.url)
    assert (check.status, bool(check.fix)) == ("fail", True)


@pytest.mark.parametrize(
    ("told", "part"),
    [
        ({"last_error_date": 9e9, "last_error_message": "Connection refused"}, "Connection refused"),
        ({"pending_update_count": 5000}, "5000 updates wait"),
        ({}, "no secret"),
    ],
)
async def test_a_webhook_that_does_not_arrive_is_found(telegram, tmp_path, monkeypatch, told, part) -> None:
    """A webhook with a fresh error, with a backlog or without a secret is a warning with its fix."""
    hook = {"url": "https://bot.example/hook", "pending_update_count": 0} | told
    monkeypatch.setattr(telegram.intake, "webhook_info", lambda: hook)
    check = await found(tmp_path, "telegram", telegram_bot_token=telegram.token, telegram_url=telegram.url)
    assert (check.status, part in check.found, bool(check.fix)) == ("warn", True, True)


async def test_a_slack_app_that_hears_nothing_is_found(tmp_path) -> None:
    """With a bot token alone the app can send and hears nothing; a wrong token fails."""
    async with FakeSlack() as slack:
        lone = await found(tmp_path, "slack", slack_bot_token=TOKEN, slack_url=slack.url)
        wrong = await found(tmp_path, "slack", slack_bot_token="xoxb-wrong", slack_url=slack.url)
    assert (lone.status, "SLACK_APP_TOKEN" in (lone.fix or "")) == ("warn", True)
    assert (wrong.status, bool(wrong.fix)) == ("fail", True)


async def test_keys_without_an_admin_are_found(tmp_path) -> None:
    """Keys of which none is an admin's are a warning; none at all are no fault."""
    async with open_at_rest(load_settings(data=tmp_path)) as app:
        before = await channel_checks.api_keys(app)
        await create_api_key(app.engine, "local", "viewer", name="x", by="test")
        after = await channel_checks.api_keys(app)
    assert (before.status, after.status) == ("ok", "warn")
