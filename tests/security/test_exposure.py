"""Where requests may go, and where secrets may not."""

from __future__ import annotations

import ast
import asyncio
import logging
from base64 import b64encode
from functools import cache
from pathlib import Path

import pytest
from mcp.shared._httpx_utils import create_mcp_http_client
from pydantic import SecretStr

from outlive.core.messages import Inbound
from outlive.flows.accept_message import accept_message
from outlive.flows.work_queue import work_queue
from outlive.settings import SECRETS, Settings
from outlive.testing.instant_agent import InstantAgent
from outlive.wiring import open_app

SOURCES = Path(__file__).resolve().parents[2] / "src" / "outlive"
FETCHING = {"build_opener": {"agents/small_calls.py"}}
"""Who may fetch without httpx: the small model's address comes from the settings, and it follows no redirect."""


@cache
def calls() -> list[tuple[str, ast.Call]]:
    """Every call in the sources outside the test kit, with its file."""
    paths = [path for path in SOURCES.rglob("*.py") if "testing" not in path.parts]
    trees = [(str(path.relative_to(SOURCES)), ast.parse(path.read_text())) for path in paths]
    return [(name, node) for name, tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_no_client_follows_a_redirect() -> None:
    """Each HTTP client is made with `follow_redirects=False`: an allowed host cannot send it to another."""
    made = [(name, call) for name, call in calls() if ast.unparse(call.func) == "httpx.AsyncClient"]
    assert made
    for name, call in made:
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert given.get("follow_redirects") == "False", name


async def test_the_mcp_client_follows_no_redirect_by_itself() -> None:
    """The client for a profile's HTTP servers leaves redirects to its transport, which stays within the origin."""
    async with create_mcp_http_client({"x-key": "secret"}) as client:
        assert client.follow_redirects is False


def test_nobody_else_fetches() -> None:
    """`urlopen` is called by nobody, and an opener is made by the small model's client alone."""
    found = {way: {n for n, call in calls() if ast.unparse(call.func).endswith(way)} for way in ("urlopen", *FETCHING)}
    assert found == {"urlopen": set(), **FETCHING}


def canary(name: str) -> str:
    """A value that is found again wherever it leaks."""
    if name.endswith("aes_key"):
        return b64encode(f"canary-{name:-<32}"[:32].encode()).decode().rstrip("=")
    prefix = {"telegram_bot_token": "123456:", "slack_bot_token": "xoxb-", "slack_app_token": "xapp-"}.get(name, "")
    return f"{prefix}CANARY-{name}-0123456789abcdefghij"


async def a_turn(settings: Settings) -> None:
    """One message through queue, engine and stores, with every channel open."""
    async with open_app(settings, agent=InstantAgent()) as app:
        stop = asyncio.Event()

        async def on_outcome(*_: object) -> None:
            stop.set()

        inbound = Inbound(app.key("ada"), "m1", "write a.txt: hello", app.engine.clock.now())
        await accept_message(app.engine.queue, inbound, app.engine.clock)
        await asyncio.wait_for(work_queue(app.engine, stop, wait=0.5, on_outcome=on_outcome), 30)


def files_below(folder: Path) -> bytes:
    """The bytes of all of them."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_no_secret_is_written_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With every secret setting set, none of them is in the stores, the trees or the logs after a turn."""
    secrets = {name: canary(name) for name in SECRETS}
    given = {name: SecretStr(value) for name, value in secrets.items()}
    settings = Settings.model_construct(
        **Settings(data=tmp_path / "data", workspaces=tmp_path / "trees").model_dump()
        | given
        | {"wechat_app_id": "wx1"}
    )
    with caplog.at_level(logging.DEBUG):
        await a_turn(settings)
    written = files_below(tmp_path) + caplog.text.encode()
    assert b"ada" in written
    assert [name for name, value in secrets.items() if value.encode() in written] == []
    assert not any(value in repr(settings) for value in secrets.values())
