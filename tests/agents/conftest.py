"""One session's tree, the real CLI and the scripted model, put together."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from outlive.agents.claude import ClaudeAgent
from outlive.agents.models import ModelSettings
from outlive.agents.options import CliOptions
from outlive.agents.profiles import Profiles
from outlive.agents.workspace import DiskWorkspace, DiskWorkspaces
from outlive.protocols import AgentEvent, AgentTurn, FileContent, SessionSeen, TurnDone
from outlive.testing.scripted_model import ScriptedModel


@dataclass
class Session:
    """A conversation with the real CLI."""

    agent: ClaudeAgent
    workspace: DiskWorkspace
    model: ScriptedModel
    id: str | None = None
    """The agent's session id, as soon as it is known."""

    @property
    def work(self) -> Path:
        """The agent's working directory."""
        return self.workspace.root / "work"

    async def events(
        self, prompt: str | None, *, until: Callable[[AgentEvent], bool] | None = None, **more: Any
    ) -> list[AgentEvent]:
        """The events of a turn; with `until` the turn is given up after that event, as when a worker dies."""
        seen: list[AgentEvent] = []
        turn = AgentTurn(self.workspace.root, prompt, self.id, **more)
        async with aclosing(self.agent.run(turn)) as events:
            async for event in events:
                seen.append(event)
                if isinstance(event, SessionSeen):
                    self.id = event.agent_session_id
                if until and until(event):
                    break
        return seen

    async def ask(self, prompt: str | None, **more: Any) -> TurnDone:
        """The end of a turn."""
        last = (await self.events(prompt, **more))[-1]
        assert isinstance(last, TurnDone)
        return last

    async def move(self) -> None:
        """To another host: what is kept is taken out, everything is wiped, what was kept is put back."""
        kept = await content_of(self.workspace)
        await self.workspace.wipe()
        await self.workspace.write(kept)

    def entries(self) -> list[dict[str, Any]]:
        """The transcript's whole lines."""
        assert self.id is not None
        path = self.workspace.root / "config/projects/session" / f"{self.id}.jsonl"
        whole, _, _ = path.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def tool_results(self) -> list[str]:
        """What the tools have answered so far, as the model was told."""
        blocks = [
            block
            for entry in self.entries()
            if entry["type"] == "user" and isinstance(entry["message"]["content"], list)
            for block in entry["message"]["content"]
        ]
        return [str(block["content"]) for block in blocks if block.get("type") == "tool_result"]


async def content_of(workspace: DiskWorkspace) -> list[FileContent]:
    """Everything a tree keeps."""
    return [
        FileContent(
            stat.path,
            stat.kind,
            stat.mode,
            [await workspace.read(stat.path)] if stat.kind in {"file", "append"} else (),
            stat.target,
        )
        for stat in await workspace.scan()
    ]


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    """The scripted model."""
    async with ScriptedModel() as model:
        yield model


@pytest.fixture
async def workspace(tmp_path: Path) -> AsyncIterator[DiskWorkspace]:
    """An empty tree."""
    tree = await DiskWorkspaces(tmp_path / "trees").open("tenant", "session")
    yield tree
    await tree.close()


MakeAgent = Callable[..., ClaudeAgent]


@pytest.fixture
async def make_agent(model: ScriptedModel) -> AsyncIterator[MakeAgent]:
    """Makes agents that talk to the scripted model, and ends what they left."""
    made: list[ClaudeAgent] = []

    def make(*, profiles: Path | None = None, seconds: float = 60.0, **options: Any) -> ClaudeAgent:
        settings = ModelSettings("scripted", "claude-sonnet-5-5", base_url=model.url, retries=0)
        agent = ClaudeAgent(settings, Profiles(profiles), turn_seconds=seconds, options=CliOptions(**options))
        made.append(agent)
        return agent

    yield make
    for agent in made:
        await agent.close()


@pytest.fixture
async def session(make_agent: MakeAgent, workspace: DiskWorkspace, model: ScriptedModel) -> Session:
    """A conversation that has not begun."""
    return Session(make_agent(), workspace, model)


def with_agent(session: Session, agent: ClaudeAgent) -> Session:
    """The same conversation, with another agent."""
    return replace(session, agent=agent)
