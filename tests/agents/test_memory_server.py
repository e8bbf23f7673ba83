"""`outlive mcp` as the memory server of a profile, called by the real CLI."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from outlive.testing.scripted_model import script
from tests.agents.conftest import MakeAgent, Session, with_agent
from tests.agents.profile_folder import make_profile

pytestmark = pytest.mark.cli

DONE = {"text": "done"}


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    """A call of one of its tools."""
    return {"tool": f"mcp__memory__{tool}", "input": arguments}


@pytest.fixture
def bot(session: Session, make_agent: MakeAgent, tmp_path: Path) -> Session:
    """A session whose profile names `outlive mcp`, on stores of the test."""
    variables = {"OUTLIVE_DATA": str(tmp_path / "memory")}
    server = {"command": sys.executable, "args": ["-m", "outlive", "mcp"], "env": variables}
    profiles = make_profile(tmp_path / "profiles/bot", mcp={"mcpServers": {"memory": server}}).parent
    return with_agent(session, make_agent(profiles=profiles))


async def test_the_cli_uses_it_without_asking(bot: Session) -> None:
    """The agent appends a message and reads it back in a later turn, by a process of its own each time."""
    done = await bot.ask(
        script(call("append_message", session="notes", role="user", text="the door code is 7"), DONE), profile="bot"
    )
    assert done.notices == ()
    await bot.ask(script(call("read_messages", session="notes"), DONE), profile="bot")
    assert '"id": 1' in bot.tool_results()[-1]
    assert "the door code is 7" in bot.tool_results()[-1]


async def test_the_cli_shows_the_model_the_named_error(bot: Session) -> None:
    """A patch that fits no schema comes back as an error with its name and its fix, and the turn goes on."""
    bad = call("state_patch", session="notes", patch={"metadata": {"v": 7}})
    done = await bot.ask(script(bad, DONE), profile="bot")
    assert done.text == "done"
    assert "metadata.v" in bot.tool_results()[-1]
    assert "Invalid" in bot.tool_results()[-1]
