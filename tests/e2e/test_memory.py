"""The CLI's own memory folder, shared by sessions on different hosts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import pytest_asyncio

from outlive.agents.claude import ClaudeAgent
from outlive.agents.models import ModelSettings
from outlive.agents.options import CliOptions
from outlive.agents.profiles import Profiles
from outlive.core.keys import session_key
from outlive.core.memories import FOLDER
from outlive.flows.run_turn import Turn
from outlive.testing.scripted_model import ScriptedModel, script
from tests.e2e.test_hosts import Hosts
from tests.engine.conftest import KEY

pytestmark = pytest.mark.cli

GRACE = session_key("acme", "console", "grace")


class Remembering(Hosts):
    """Hosts whose agents have a memory folder."""

    async def note(self, text: str, *, key=KEY) -> Turn:
        """A turn that writes a line into the folder's index, wherever this session's folder lies."""
        await self.turn("hello", key=key)
        index = self.host_root() / FOLDER / "MEMORY.md"
        steps = [{"tool": "Read", "input": {"file_path": str(index)}}] if index.exists() else []
        write = {"tool": "Write", "input": {"file_path": str(index), "content": text}}
        return await self.turn(script(*steps, write, {"text": "noted"}), key=key)

    def shown(self) -> str:
        """What the model was sent last."""
        return json.dumps([each for each in self.model.requests if each.kind == "turn"][-1].body)


@pytest_asyncio.fixture
async def hosts(tmp_path: Path):
    """A model and hosts."""
    async with ScriptedModel() as model:
        found = Remembering(tmp_path, model)
        settings = ModelSettings("scripted", base_url=model.url)
        found.agent = ClaudeAgent(settings, Profiles(), options=CliOptions(memory=True))
        found.policy = {"memory": True}
        yield found
        await found.agent.close()


async def test_a_note_of_one_session_is_shown_to_another(hosts) -> None:
    """The CLI may write into its memory folder, and shows what it holds to another session's model on another host."""
    turn = await hosts.note("- Ada likes tea")
    assert (turn.line.reply, turn.line.is_error) == ("noted", False)
    await hosts.turn("hello", key=GRACE)
    assert "- Ada likes tea" in hosts.shown()
    assert str(hosts.host_root() / FOLDER) in hosts.shown()


async def test_a_session_that_has_notes_sees_newer_ones(hosts) -> None:
    """A session resumed on a new host is shown what another one has added since."""
    await hosts.note("- Ada likes tea")
    await hosts.note("- Ada likes tea\n- Grace likes rum", key=GRACE)
    await hosts.turn("hello again")
    assert "- Grace likes rum" in hosts.shown()


async def test_without_the_setting_there_is_no_memory(hosts) -> None:
    """Without the switch the model is told of no folder, and is shown none of the notes."""
    await hosts.note("- Ada likes tea")
    hosts.policy = {}
    hosts.agent = ClaudeAgent(ModelSettings("scripted", base_url=hosts.model.url), Profiles())
    await hosts.turn("hello", key=GRACE)
    assert "likes tea" not in hosts.shown()
    assert FOLDER not in hosts.shown()
    await hosts.agent.close()
