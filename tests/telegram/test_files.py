"""Files that came with a message: in the session's inbox before the turn, or said to be missing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from outlive.core.keys import session_key
from outlive.core.messages import FileRef, Inbound
from outlive.errors import Invalid, Unavailable
from outlive.flows.run_turn import Turn, run_turn
from outlive.settings import load_settings
from outlive.testing.clock import START
from outlive.testing.instant_agent import InstantAgent
from outlive.testing.telegram import ApiError, FakeTelegram
from outlive.wiring import App, open_app

KEY = session_key("telegram_42", "telegram", "42")


@pytest.fixture
async def app(telegram: FakeTelegram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[App]:
    """An app with the fake's bot, wired from its settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", telegram.token)
    settings = load_settings(data=tmp_path / "data", workspaces=tmp_path / "trees", telegram_url=telegram.url)
    async with open_app(settings, agent=InstantAgent()) as app:
        yield app


def inbound(*files: FileRef) -> Inbound:
    """A message with these files."""
    return Inbound(KEY, "m1", "look", START, "42", files=files)


def inboxes(tmp_path: Path) -> dict[str, bytes]:
    """What lies in the session's inbox."""
    return {path.name: path.read_bytes() for path in tmp_path.glob("trees/*/work/inbox/*")}


async def test_files_are_there_before_the_turn(app: App, telegram: FakeTelegram, tmp_path: Path) -> None:
    """Each file lies in the inbox under its name with its bytes, whatever it claims to be."""
    parts = [telegram.world.file(data) for data in (b"\xff\xd8", b"no picture")]
    files = [FileRef(f"{n}.jpg", "image/jpeg", 2, part["file_id"]) for n, part in enumerate(parts)]
    turn = await run_turn(app.engine, inbound(*files))
    assert isinstance(turn, Turn)
    assert turn.line.text == "look"
    assert inboxes(tmp_path) == {"0.jpg": b"\xff\xd8", "1.jpg": b"no picture"}
    assert telegram.texts()[0] == "Message 1: look"


async def test_a_file_that_is_gone_is_said_to_be(app: App, telegram: FakeTelegram, tmp_path: Path) -> None:
    """The agent reads which file could not be fetched and why, and the turn is run."""
    turn = await run_turn(app.engine, inbound(FileRef("a.txt", "", 1, "gone")))
    assert isinstance(turn, Turn)
    assert "[inbox/a.txt could not be fetched: Telegram refuses getFile" in turn.line.text
    assert inboxes(tmp_path) == {}


async def test_a_channel_that_does_not_answer_fails_the_turn(app: App, telegram: FakeTelegram) -> None:
    """While files cannot be fetched nothing is run, and the message can be tried again."""
    part = telegram.world.file(b"x")
    telegram.order("getFile", ApiError(502, "Bad Gateway"))
    message = inbound(FileRef("a.txt", "", 1, part["file_id"]))
    with pytest.raises(Unavailable):
        await run_turn(app.engine, message)
    assert isinstance(await run_turn(app.engine, message), Turn)


async def test_a_worker_without_the_channel_leaves_the_message(
    telegram: FakeTelegram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that has no token runs no message with files: another worker can."""
    monkeypatch.chdir(tmp_path)
    settings = load_settings(data=tmp_path / "data", workspaces=tmp_path / "trees")
    async with open_app(settings, agent=InstantAgent()) as app:
        with pytest.raises(Invalid, match="not set up on this worker"):
            await run_turn(app.engine, inbound(FileRef("a.txt", "", 1, "f")))
