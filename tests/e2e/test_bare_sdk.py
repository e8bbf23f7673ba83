"""What our agent tells the model, beside the Claude Agent SDK alone, resumed on one machine that it never leaves.

Without a compaction: `test_scenarios.py`, where hosts play what is needed for both.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, query

from outlive.agents.models import ModelSettings
from outlive.agents.options import ALLOWED, TOOLS, environment
from outlive.agents.workspace import make_folders
from outlive.testing.prefix import compare_prompts
from outlive.testing.scripted_model import RecordedRequest, ScriptedModel
from tests.agents.profile_folder import make_profile
from tests.e2e.hosts import WORK, Hosts
from tests.e2e.scenarios import COMPACTION, Scenario

pytestmark = pytest.mark.cli

PROMPT = "You are a test."


async def alone(scenario: Scenario, hosts: Hosts) -> list[RecordedRequest]:
    """The requests of the SDK alone, in a tree at the path that the hosts' trees have."""
    hosts.root.mkdir(parents=True)
    make_folders(hosts.root)
    start, resume = len(hosts.model.requests), None
    for text in scenario.turns:
        options = _options(hosts, resume)
        async for message in query(prompt=text.replace(WORK, str(hosts.work)), options=options):
            if isinstance(message, ResultMessage):
                resume = message.session_id
    shutil.rmtree(hosts.path)
    return [request for request in hosts.model.requests[start:] if request.kind == "turn"]


def _options(hosts: Hosts, resume: str | None) -> ClaudeAgentOptions:
    """The same agent as ours, by the SDK's own options."""
    model = ModelSettings("scripted", "claude-sonnet-5-5", base_url=hosts.model.url, retries=0)
    return ClaudeAgentOptions(
        cwd=hosts.work,
        env=environment(hosts.root, model, hosts.options, inherited=os.environ, is_root=False),
        model=model.model,
        system_prompt={"type": "custom", "prompt": PROMPT, "snapshot": False},
        tools=list(TOOLS),
        allowed_tools=list(ALLOWED),
        permission_mode="dontAsk",
        setting_sources=[],
        skills=[],
        strict_mcp_config=True,
        verbatim_prompts=True,
        max_buffer_size=1 << 28,
        resume=resume,
    )


def check_asked_alike(expected: list[RecordedRequest], hosts: Hosts, scenario: Scenario) -> None:
    """Each request of the hosts is nearly all, from its start, what the SDK alone has sent."""
    assert len(expected) == len(hosts.requests()) >= len(scenario.turns)
    for theirs, ours in zip(expected, hosts.requests(), strict=True):
        comparison = compare_prompts(theirs.body, ours.body)
        assert comparison.share >= 0.99, comparison.difference


async def test_the_model_is_asked_what_the_sdk_alone_asks(tmp_path: Path) -> None:
    """Through a compaction, with a new host for each turn, at least 99 % of each prompt is what the SDK alone sends."""
    async with ScriptedModel() as model:
        make_profile(tmp_path / "profiles/default", prompt=PROMPT)
        hosts = Hosts(tmp_path, model, profiles=tmp_path / "profiles", **COMPACTION.options)
        expected = await alone(COMPACTION, hosts)
        for text in COMPACTION.turns:
            await hosts.turn(text)
        await hosts.leave()
        check_asked_alike(expected, hosts, COMPACTION)
