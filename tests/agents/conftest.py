"""One session's tree, the real CLI and the scripted model, put together."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from outlive.agents.claude import ClaudeAgent
from outlive.agents.models import ModelSettings
from outlive.agents.options import CliOptions
from outlive.agents.profiles import Profiles
from outlive.agents.residents import Residents
from outlive.agents.running import Cli
from outlive.agents.warm import WarmLimits, WarmProcesses
from outlive.agents.workspace import DiskWorkspace, DiskWorkspaces, Slot
from outlive.clock import SystemClock
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


class StayingSession(Session):
    """A conversation whose CLI stays between turns, for what does not depend on how it was started."""

    async def events(
        self, prompt: str | None, *, until: Callable[[AgentEvent], bool] | None = None, **more: Any
    ) -> list[AgentEvent]:
        """The same; what the turn ended with counts as committed."""
        seen = await super().events(prompt, until=until, tree="committed", **more)
        await self.agent.keep(self.workspace.root, "committed")
        return seen


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


def settings_for(model: ScriptedModel) -> ModelSettings:
    """How the scripted model is reached."""
    return ModelSettings("scripted", "claude-sonnet-5-5", base_url=model.url, retries=0)


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
        agent = ClaudeAgent(
            settings_for(model), Profiles(profiles), turn_seconds=seconds, options=CliOptions(**options)
        )
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


AS_ONE = pytest.mark.asyncio(loop_scope="module")
"""Runs where the conversation that the tests of a file share lives."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def staying(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StayingSession]:
    """One conversation and one CLI for all tests of a file that ask for it."""
    residents = Residents[Slot]()
    trees = DiskWorkspaces(tmp_path_factory.mktemp("staying") / "trees", residents=residents)
    tree = await trees.open("tenant", "session")
    warm = WarmProcesses[Cli](WarmLimits(), residents, SystemClock())
    async with ScriptedModel() as model:
        agent = ClaudeAgent(settings_for(model), Profiles(), turn_seconds=60.0, warm=warm)
        yield StayingSession(agent, tree, model)
        await agent.close()
    await tree.close()


@dataclass(frozen=True)
class Beginning:
    """What a conversation has kept after its first turns, to be put back at the same place on another host."""

    trees: Path
    files: list[FileContent]
    id: str | None
    done: TurnDone
    """How the last of them ended."""

    async def put_back(self) -> DiskWorkspace:
        """The tree, with nothing of who went on from it before."""
        tree = await DiskWorkspaces(self.trees).open("tenant", "session")
        await tree.wipe()
        await tree.write(self.files)
        return tree


@pytest.fixture(scope="module")
def beginnings() -> dict[object, Beginning]:
    """What tests of this file have begun."""
    return {}


Begin = Callable[..., Awaitable[tuple[Session, TurnDone]]]


@pytest.fixture
async def begin(
    beginnings: dict[object, Beginning],
    tmp_path_factory: pytest.TempPathFactory,
    make_agent: MakeAgent,
    model: ScriptedModel,
) -> AsyncIterator[Begin]:
    """Makes conversations that have had these turns, and tells how the last one ended; equal turns are run once."""
    opened: list[DiskWorkspace] = []

    async def play(prompts: tuple[str, ...], options: dict[str, Any]) -> Beginning:
        trees = tmp_path_factory.mktemp("begun") / "trees"
        session = Session(make_agent(**options), await DiskWorkspaces(trees).open("tenant", "session"), model)
        ends = [await session.ask(prompt) for prompt in prompts]
        files = await content_of(session.workspace)
        await session.workspace.close()
        return Beginning(trees, files, session.id, ends[-1])

    async def begun(*prompts: str, **options: Any) -> tuple[Session, TurnDone]:
        key = (prompts, tuple(options.items()))
        if key not in beginnings:
            beginnings[key] = await play(prompts, options)
        found = beginnings[key]
        opened.append(await found.put_back())
        return Session(make_agent(**options), opened[-1], model, found.id), found.done

    yield begun
    for tree in opened:
        await tree.close()
