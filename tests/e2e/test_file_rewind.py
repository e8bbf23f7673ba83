"""Files taken back on another host than the one that changed them: by outlive, and by the CLI's own checkpoints."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient

from outlive.agents.claude import ClaudeAgent
from outlive.agents.models import ModelSettings
from outlive.agents.options import CliOptions
from outlive.agents.profiles import Profiles
from outlive.agents.start import prepare
from outlive.agents.workspace import DiskWorkspaces
from outlive.flows.sessions.rewind_session import rewind_session
from outlive.flows.turn.hydrate_tree import hydrate_tree
from outlive.protocols import AgentTurn
from outlive.testing.scripted_model import ScriptedModel
from tests.e2e.test_hosts import Hosts

pytestmark = pytest.mark.cli

CHECKPOINTS = {"CLAUDE_CODE_ENABLE_SDK_FILE_CHECKPOINTING": "true"}


@pytest_asyncio.fixture
async def hosts(tmp_path: Path):
    """A model, and hosts whose CLI keeps file checkpoints."""
    async with ScriptedModel() as model:
        found = Hosts(tmp_path, model)
        settings = ModelSettings("scripted", base_url=model.url)
        found.agent = ClaudeAgent(settings, Profiles(), options=CliOptions(variables=CHECKPOINTS))
        yield found
        await found.agent.close()


async def test_the_agent_sees_the_files_it_was_taken_back_to(hosts) -> None:
    """After a rewind of the files alone, a Read on the next host gives the old text, and an Edit of it works."""
    await hosts.turn("Write 'one' to a.txt")
    edited = await hosts.turn("replace one with two in a.txt")
    stores = hosts.world.observer.stores("acme")
    await rewind_session(hosts.world.observer, stores, edited.session_id, 1, files_only=True)
    assert (await hosts.turn("read a.txt")).line.reply.rstrip().endswith("one")
    await hosts.turn("replace one with three in a.txt")
    assert hosts.tree()["work/a.txt"] == b"three"


async def test_the_clis_own_checkpoints_work_on_another_host(hosts) -> None:
    """The CLI on a host that never ran the turns takes a file back to each message, as it was before it."""
    await hosts.turn("Write 'one' to a.txt")
    await hosts.turn("replace one with two in a.txt")
    shutil.rmtree(hosts.host)
    head, engine = await hosts.world.head(), hosts.world.observer
    workspace = await DiskWorkspaces(hosts.host).open("acme", head.session_id)
    await hydrate_tree(engine, engine.stores("acme"), head, workspace)
    file, found = workspace.root / "work/a.txt", []
    for prompt in reversed(_prompts(workspace.root, head.agent_session_id)):
        await _rewind(hosts.agent, workspace.root, head.agent_session_id, prompt)
        found.append(file.read_text() if file.exists() else None)
    await workspace.close()
    assert found == ["one", None]


def _prompts(root: Path, agent_session_id: str) -> list[str]:
    """The uuids of the user's messages."""
    lines = (root / f"config/projects/session/{agent_session_id}.jsonl").read_text().splitlines()
    entries = [entry for line in lines if (entry := json.loads(line))["type"] == "user"]
    return [entry["uuid"] for entry in entries if "toolUseResult" not in entry]


async def _rewind(agent: ClaudeAgent, root: Path, agent_session_id: str, prompt: str) -> None:
    start = prepare(AgentTurn(root, "unsent", agent_session_id), Profiles().load("default"), ())
    wire = agent._wire(replace(start, prompt=None))
    client = ClaudeSDKClient(ClaudeAgentOptions(setting_sources=[]), transport=wire)
    try:
        await client.connect()
        await client.rewind_files(prompt)
    finally:
        wire.abandon()
        await client.disconnect()
        await wire.close()
