"""The real CLI in a turn that is longer than any of its invocations."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from outlive.agents.claude import ClaudeAgent
from outlive.agents.models import ModelSettings
from outlive.agents.options import CliOptions
from outlive.agents.profiles import Profiles
from outlive.agents.workspace import DiskWorkspaces
from outlive.flows.run_turn import Turn, run_turn
from outlive.flows.turn.hand_over import HandedOver
from outlive.protocols import AgentEvent, ToolFinished
from outlive.testing.scripted_model import ScriptedModel, script
from tests.agents.watching import gone, until
from tests.e2e.scenarios import COMPACTION
from tests.e2e.test_hosts import Hosts

pytestmark = pytest.mark.cli

TIME = 60.0
STEPS = script(
    *({"tool": "Bash", "input": {"command": f"sleep 0.5; echo {n} >> log.txt"}} for n in (1, 2, 3)), {"text": "done"}
)


class ShortLived(Hosts):
    """Hosts of which the first two have their time up when a tool has finished and the CLI has noted its result."""

    written = 0

    async def invocation(self, text: str) -> Turn | HandedOver:
        """One turn, or part of one, on a new host; nothing of it goes on behind it."""
        shutil.rmtree(self.host, ignore_errors=True)
        engine = replace(self.world.worker("any"), agent=self.agent, workspaces=DiskWorkspaces(self.host))
        deadline = self.world.clock.now() + TIME
        outcome = await run_turn(
            engine, self.world.message(text, "long"), on_event=self._end_after_a_tool, deadline=deadline
        )
        assert isinstance(outcome, Turn | HandedOver)
        assert gone(str(self.host), seconds=5)
        return outcome

    async def _end_after_a_tool(self, event: AgentEvent) -> None:
        if isinstance(event, ToolFinished) and self.written < 2:
            self.written += 1
            await until(lambda: self._results() >= self.written)
            await self.world.clock.let_pass(TIME + 0.1)

    def _results(self) -> int:
        (path,) = (self.host_root() / "config/projects/session").glob("*.jsonl")
        return path.read_text().count('"type":"tool_result"')


@pytest_asyncio.fixture
async def hosts(tmp_path: Path):
    """A model and hosts."""
    async with ScriptedModel() as model:
        found = ShortLived(tmp_path, model)
        yield found
        await found.agent.close()


async def test_a_turn_is_finished_on_the_window_it_began_with(tmp_path: Path) -> None:
    """After a compaction a turn is handed over from a host with a window to another one, which finishes it."""
    async with ScriptedModel() as model:
        hosts = ShortLived(tmp_path, model)
        patient, hosts.written = hosts.agent, 9
        hosts.agent = ClaudeAgent(
            ModelSettings("scripted", base_url=model.url), Profiles(), options=CliOptions(**COMPACTION.options)
        )
        for text in COMPACTION.turns[:2]:
            await hosts.turn(text)
        await hosts.agent.close()
        hosts.agent, hosts.written = patient, 0  # it does not compact in the turn itself
        outcomes = [await hosts.invocation(STEPS)]
        while not isinstance(outcomes[-1], Turn):
            outcomes.append(await hosts.invocation(STEPS))
        await hosts.agent.close()
    found = [next(step.found for step in each.trace.steps if step.name == "hydrate") for each in outcomes]
    assert isinstance(outcomes[0], HandedOver)
    assert all("left out" in each for each in found), found
    assert (outcomes[-1].how, outcomes[-1].line.reply, outcomes[-1].after) == ("continued", "done", 3)
    assert sorted(set((hosts.host_root() / "work/log.txt").read_text().split())) == ["1", "2", "3"]


def _said(body: Mapping[str, Any]) -> list[str]:
    """A request's blocks without cache marks; a text alone counts as one block, a newline at its end as nothing."""
    said = []
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        plain = [{name: value for name, value in block.items() if name != "cache_control"} for block in blocks]
        plain = [block | {"text": block["text"].rstrip()} if "text" in block else block for block in plain]
        said += [json.dumps([message["role"], block], sort_keys=True) for block in plain]
    return said


@pytest.mark.promise("P1")
@pytest.mark.promise("P12")
async def test_a_turn_of_three_tools_is_finished_on_three_hosts(hosts) -> None:
    """Handed over twice, each tool has worked, every request extends the one before, and there is one commit."""
    outcomes = [await hosts.invocation(STEPS) for _ in range(3)]
    assert [type(outcome) for outcome in outcomes] == [HandedOver, HandedOver, Turn]
    assert (outcomes[-1].line.reply, outcomes[-1].before, outcomes[-1].after) == ("done", 0, 1)
    assert sorted(set((hosts.host_root() / "work/log.txt").read_text().split())) == ["1", "2", "3"]
    requests = [_said(each.body) for each in hosts.model.requests if each.kind == "turn"]
    for number, (before, after) in enumerate(pairwise(requests)):
        assert after[: len(before)] == before, f"request {number + 1} does not extend the one before it"
