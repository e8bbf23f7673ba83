"""The real CLI on a new host for every turn: the conversation, the files and the tasks come back byte for byte."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from outlive.agents.claude import ClaudeAgent
from outlive.agents.models import ModelSettings
from outlive.agents.profiles import Profiles
from outlive.agents.workspace import DiskWorkspaces
from outlive.core.keys import SessionKey, session_key
from outlive.errors import AgentFailed
from outlive.flows.run_turn import Turn, run_turn
from outlive.testing.scripted_model import ScriptedModel, script
from tests.engine.conftest import KEY, World

pytestmark = pytest.mark.cli


class Hosts:
    """Hosts that share nothing but the stores: each is wiped before the next one works at the same path."""

    def __init__(self, base: Path, model: ScriptedModel) -> None:
        self.world = World(base / "disks")
        self.model = model
        self.host = base / "host"
        self.policy: dict[str, object] = {}
        self.agent = ClaudeAgent(ModelSettings("scripted", base_url=model.url), Profiles())

    async def turn(self, text: str, *, key: SessionKey = KEY) -> Turn:
        """One turn on a new host."""
        shutil.rmtree(self.host, ignore_errors=True)
        engine = replace(
            self.world.worker("any", **self.policy), agent=self.agent, workspaces=DiskWorkspaces(self.host)
        )
        turn = await run_turn(engine, replace(self.world.message(text, f"m{len(self.model.requests)}"), key=key))
        assert isinstance(turn, Turn)
        return turn

    def host_root(self) -> Path:
        """The one session on the host."""
        (root,) = [path for path in self.host.iterdir() if path.is_dir()]
        return root

    def tree(self) -> dict[str, bytes]:
        """Every kept file of the host's one session."""
        root = self.host_root()
        kept = [path for top in ("work", "config/projects", "config/tasks") for path in (root / top).rglob("*")]
        return {str(p.relative_to(root)): p.read_bytes() for p in kept if p.is_file() and not p.name.startswith(".")}


@dataclass
class Moved:
    """What three hosts of one session have said and held."""

    second: Turn
    third: Turn
    trees: tuple[dict[str, bytes], dict[str, bytes]]
    """What the first and the second host ended with."""
    asked: dict[str, Any]
    """The second host's first request."""


FIRST = (
    "My name is Ada then write 'Ship on Friday' to plan.md then run `mkdir -p deep && printf two > deep/b.bin` "
    "then run `head -c 400000 /dev/zero | tr '\\0' x` then add tasks: buy milk, write the report "
    "then ask a subagent to say hello"
)


async def _move(base: Path) -> Moved:
    async with ScriptedModel() as model:
        hosts = Hosts(base, model)
        await hosts.turn(FIRST)
        first, asked = hosts.tree(), len(model.requests)
        second = await hosts.turn("What is my name?")
        found = Moved(second, second, (first, hosts.tree()), model.requests[asked].body)
        found.third = await hosts.turn("What are my tasks? then read plan.md")
        await hosts.agent.close()
    return found


@pytest_asyncio.fixture
async def hosts(tmp_path: Path):
    """A model and hosts."""
    async with ScriptedModel() as model:
        found = Hosts(tmp_path, model)
        yield found
        await found.agent.close()


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Moved:
    """A session on three hosts, for all tests that look at what came back."""
    return asyncio.run(_move(tmp_path_factory.mktemp("moved")))


def test_what_was_said_is_remembered_on_another_host(moved) -> None:
    """A name told on one host is known on the next one, because the model's request really has it."""
    assert "Ada" in moved.second.line.reply
    assert "Ada" in json.dumps(moved.asked["messages"])
    assert moved.second.after == 2


def test_files_and_tasks_come_back(moved) -> None:
    """A file and a task list made on one host are there on the next one."""
    assert "milk" in moved.third.line.reply
    assert "Ship on Friday" in moved.third.line.reply


def test_the_tree_comes_back_byte_for_byte(moved) -> None:
    """The next host starts with exactly the bytes the last one ended with; its own turn only adds to the transcript."""
    before, after = moved.trees
    assert {"work/plan.md", "work/deep/b.bin"} <= before.keys() <= after.keys()
    changed = {path for path in before if before[path] != after[path]}
    assert all(path.endswith(".jsonl") and after[path].startswith(before[path]) for path in changed), changed


def test_a_large_tool_output_comes_back(moved) -> None:
    """The side file of a 400 KB tool output, which the SDK's own resume loses, is on the next host."""
    assert any("tool-results" in path and len(content) > 300_000 for path, content in moved.trees[1].items())


def test_a_subagent_comes_back(moved) -> None:
    """The transcript and the sidecar of a subagent are on the next host."""
    names = [path for path in moved.trees[1] if "subagents" in path]
    assert any(name.endswith(".jsonl") for name in names)
    assert any(name.endswith(".meta.json") for name in names)


@pytest.mark.promise("P11")
async def test_a_first_turn_is_small(hosts) -> None:
    """What every session starts with is stored once per tenant: the next session's first turn puts under 10 KB."""
    await hosts.turn("My name is Ada")
    before = hosts.world.counts.copy()
    await hosts.turn("My name is Grace", key=session_key("acme", "console", "grace"))
    assert (hosts.world.counts - before).objects_put_bytes < 10_000


async def test_a_model_that_fails_is_not_answered_as_if_it_had_not(hosts) -> None:
    """When the model answers nothing but errors, nothing is committed, and the next message is answered."""
    with pytest.raises(AgentFailed):
        await hosts.turn(script({"error": 400, "times": 50}))
    turn = await hosts.turn("My name is Ada")
    assert turn.after == 1
