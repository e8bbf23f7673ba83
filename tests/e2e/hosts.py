"""Hosts that share nothing but the stores, and what each of them held when it began and when it ended."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from outlive.agents.claude import ClaudeAgent
from outlive.agents.models import ModelSettings
from outlive.agents.options import CliOptions
from outlive.agents.profiles import Profiles
from outlive.agents.residents import Residents
from outlive.agents.running import Cli
from outlive.agents.tree import IGNORED, TreeLimits, scan_tree
from outlive.agents.warm import WarmLimits, WarmProcesses
from outlive.agents.workspace import DiskWorkspaces, Slot, _folder_name
from outlive.clock import SystemClock
from outlive.core.keys import SessionKey
from outlive.flows.engine import Engine
from outlive.flows.run_turn import Turn, run_turn
from outlive.protocols import AgentEvent, AgentTurn
from outlive.testing.scripted_model import RecordedRequest, ScriptedModel
from tests.engine.conftest import KEY, World

Tree = dict[str, tuple[str, int, bytes]]
"""Path -> kind, mode and bytes (of a link: its target) of everything a host keeps."""

WORK, AGENT, OUTPUT = "@WORK@", "@AGENT@", "@OUTPUT@"
"""Stand in a turn's text for the agent's working directory, for the id of the subagent of an earlier turn, and for the
file that holds an earlier tool's large output."""


def snapshot(root: Path) -> Tree:
    """Everything the tree keeps, as it is now."""
    stats = scan_tree(root, limits=TreeLimits(), ignored=IGNORED, now=0)
    return {stat.path: (stat.kind, stat.mode, _content(root, stat.path, stat.kind)) for stat in stats}


def _content(root: Path, path: str, kind: str) -> bytes:
    if kind == "link":
        return str((root / path).readlink()).encode()
    return b"" if kind == "dir" else (root / path).read_bytes()


class _Watched:
    """An agent, and the tree as it found it."""

    def __init__(self, agent: ClaudeAgent) -> None:
        self.agent = agent
        self.found: Tree = {}

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        self.found = snapshot(turn.root)
        async for event in self.agent.run(turn):
            yield event

    async def keep(self, root: Path, tree: str) -> None:
        await self.agent.keep(root, tree)

    async def drop(self, root: Path, *, unless: str | None = None) -> None:
        await self.agent.drop(root, unless=unless)

    async def interrupt(self, root: Path) -> bool:
        return await self.agent.interrupt(root)

    async def close(self) -> None:
        await self.agent.close()


class Hosts:
    """One session's hosts: with `moves`, every turn is on a new one, whose folder has the same path as the last one's.

    A host's folder is moved away, not reused, before the next one begins; agent, process and caches are new, too.
    """

    def __init__(
        self,
        base: Path,
        model: ScriptedModel,
        *,
        moves: bool = True,
        limits: TreeLimits | None = None,
        profiles: Path | None = None,
        warm: bool = False,
        **options: Any,
    ) -> None:
        """With `warm`, the CLI stays alive on its host between turns; `options` are the CLI's."""
        self.world = World(base / "disks")
        self.model, self.moves = model, moves
        self.path = base / "host"
        self._gone = base / "gone"
        self.options, self._limits, self.profiles = CliOptions(**options), limits, Profiles(profiles)
        self._warm, self._residents = warm, Residents[Slot]()
        self.seconds = 60.0
        """The longest a turn may take, on hosts to come."""
        self.worker: Callable[[], Engine] = lambda: self.world.worker("any")
        """Makes each host's engine, but for its agent and its trees."""
        self._agent: _Watched | None = None
        self.restored: list[Tree] = []
        """What the host of each turn held before its agent was asked anything."""
        self.committed: list[Tree] = []
        """What it held when the turn was committed."""
        self.asked: list[int] = []
        """How many requests the model had had before each turn."""
        self.until = 0
        """How many it had had after the last one."""

    async def turn(self, text: str, *, key: SessionKey = KEY) -> Turn:
        """One turn, on a new host if the session moves."""
        if self.moves or self._agent is None:
            await self.move()
        assert self._agent is not None
        workspaces = DiskWorkspaces(self.path, limits=self._limits, residents=self._residents)
        engine = replace(self.worker(), agent=self._agent, workspaces=workspaces)
        self.asked.append(len(self.model.requests))
        message = self.world.message(self._filled(text), f"m{len(self.asked)}")
        turn = await run_turn(engine, replace(message, key=key))
        assert isinstance(turn, Turn)
        self.restored.append(self._agent.found)
        self.committed.append(snapshot(self.root))
        self.until = len(self.model.requests)
        return turn

    def _filled(self, text: str) -> str:
        """The text with what is only known now."""
        paths = "\n".join(self.committed[-1]) if self.committed else ""
        agents, outputs = re.findall(r"/agent-(\w+)\.jsonl", paths), re.findall(r".*/tool-results/.*", paths)
        text = text.replace(WORK, str(self.work))
        text = text.replace(AGENT, agents[0]) if agents else text
        return text.replace(OUTPUT, str(self.root / outputs[0])) if outputs else text

    async def move(self, *, keep: bool = False) -> None:
        """To a new host; with `keep` only to a new agent, as in a worker that was started again."""
        await self.leave(keep=keep)
        settings = ModelSettings("scripted", "claude-sonnet-5-5", base_url=self.model.url, retries=0)
        self._residents = Residents[Slot]()
        warm = WarmProcesses[Cli](WarmLimits(), self._residents, SystemClock()) if self._warm else None
        agent = ClaudeAgent(settings, self.profiles, turn_seconds=self.seconds, options=self.options, warm=warm)
        self._agent = _Watched(agent)

    async def leave(self, *, keep: bool = False) -> None:
        """The last host is given up: its processes end, its folder goes (unless it is to be kept)."""
        if self._agent is not None:
            await self._agent.close()
            self._agent = None
        if self.path.exists() and not keep and not self.path.is_mount():
            self._gone.mkdir(exist_ok=True)
            self.path.rename(self._gone / str(sum(1 for _ in self._gone.iterdir())))

    @property
    def root(self) -> Path:
        """The tree of the first session, on every host: its id is the first one that is drawn."""
        return self.path / _folder_name("acme", f"{1:032x}")

    @property
    def work(self) -> Path:
        """The agent's working directory, on every host."""
        return self.root / "work"

    def requests(self, kind: str = "turn") -> list[RecordedRequest]:
        """What the model was asked in all turns so far."""
        asked = self.model.requests[self.asked[0] : self.until]
        return [request for request in asked if request.kind == kind]

    def around_moves(self) -> list[tuple[RecordedRequest, RecordedRequest]]:
        """The last request of each turn and the first one of the next, unless that one begins by summing up."""
        requests, found = self.model.requests, []
        for start in self.asked[1:]:
            before = [each for each in requests[:start] if each.kind == "turn"]
            if requests[start].kind == "turn":
                found.append((before[-1], requests[start]))
        return found
