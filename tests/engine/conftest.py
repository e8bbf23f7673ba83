"""A small universe for engine tests: shared stores, a clock that tests move, and any number of workers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from outlive.agents.workspace import DiskWorkspaces
from outlive.core.keys import head_key, session_key
from outlive.core.messages import Inbound
from outlive.core.sessions import Head, decode_head
from outlive.flows.engine import Engine, Policy
from outlive.flows.run_turn import Turn, run_turn
from outlive.flows.turn.find_session import find_session
from outlive.flows.turn.hold_lease import Busy
from outlive.flows.turn.read_ledger import read_file, read_lines
from outlive.memory.objects import MemoryObjects
from outlive.memory.queue import MemoryQueue
from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.protocols import AgentEvent, Reply, TextPart
from outlive.testing.clock import ManualClock
from outlive.testing.counting import Counts, counting
from outlive.testing.faults import Plan, faulty
from outlive.testing.instant_agent import InstantAgent

KEY = session_key("acme", "console", "ada")
LEASE = 30.0
FLUSH = 4.0


class PacedClock(ManualClock):
    """Short sleeps (retries) pass at once; long ones (renewal, flush window) wait until the test lets time pass."""

    def __init__(self) -> None:
        super().__init__()
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        if seconds <= 2:
            return await super().sleep(seconds)
        waking = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now() + seconds, waking))
        return await waking

    async def let_pass(self, seconds: float) -> None:
        """Move on, waking who is due, in order, and let them do their work."""
        end = self.now() + seconds
        while due := sorted((s for s in self._sleepers if s[0] <= end and not s[1].done()), key=lambda s: s[0])[:1]:
            self.advance(due[0][0] - self.now())
            due[0][1].set_result(None)
            await asyncio.sleep(0.004)  # real: blocking file work is done on threads
        self.advance(end - self.now())


@dataclass
class Inbox:
    """A channel that remembers what it delivered."""

    replies: list[Reply] = field(default_factory=list)

    async def deliver(self, reply: Reply) -> None:
        """Keep it."""
        self.replies.append(reply)


class World:
    """Stores that outlive every worker, and the workers' disks."""

    def __init__(self, disks: Path) -> None:
        self.server = MemoryServer()
        self.clock = PacedClock()
        self.agent = InstantAgent()
        self.inbox = Inbox()
        self.counts = Counts()
        self._disks = disks
        self._ids = count(1)

    def worker(self, name: str = "w1", plan: Plan | None = None, **policy: object) -> Engine:
        """A worker with a disk of its own; with a plan, its calls go wrong as planned."""
        plan = plan or Plan(clock=self.clock)
        given = {"lease_seconds": LEASE, "flush_seconds": FLUSH} | policy
        return Engine(
            table=faulty(counting(MemoryTable(self.server), self.counts, "table"), plan, "table"),
            objects=faulty(
                counting(MemoryObjects(self.server, clock=self.clock), self.counts, "objects"), plan, "objects"
            ),
            queue=faulty(MemoryQueue(self.server, clock=self.clock), plan, "queue"),
            workspaces=faulty(disk(self._disks / name), plan, "workspaces", inner={"open": "workspace"}),
            agent=faulty(self.agent, plan, "agent"),
            clock=self.clock,
            new_id=lambda: f"{next(self._ids):032x}",
            worker=name,
            policy=Policy(**given),
            channels={"console": faulty(self.inbox, plan, "channel")},
        )

    def message(self, text: str, message_id: str | None = None) -> Inbound:
        """A message to the one session of these tests."""
        return Inbound(KEY, message_id or text, text, self.clock.now())

    async def turn(self, engine: Engine, text: str, message_id: str | None = None, *, paced: bool = False) -> Turn:
        """Run a turn that must not find the session busy; `paced` lets two flush windows pass while it runs."""
        pace = self._pace if paced else None
        turn = await run_turn(engine, self.message(text, message_id), on_event=pace)
        assert not isinstance(turn, Busy)
        return turn

    async def _pace(self, event: AgentEvent) -> None:
        if isinstance(event, TextPart):
            await self.clock.let_pass(FLUSH + 0.5)

    # ------------------------------------------------------------------ looking in from outside

    @property
    def observer(self) -> Engine:
        """A worker that nothing happens to."""
        return self.worker("observer")

    async def head(self) -> Head:
        """The head, read past every wrapper."""
        engine = self.observer
        session_id = await find_session(engine, engine.stores("acme"), KEY)
        return decode_head(self.server.rows[f"acme/{head_key(session_id)}"].body, "head")

    async def lease_owner(self) -> str | None:
        """Who holds the session."""
        head = await self.head()
        return self.server.rows[f"acme/{head_key(head.session_id)}"].owner

    async def file(self, path: str) -> bytes | None:
        """A file of the committed tree."""
        engine = self.observer
        return await read_file(engine, engine.stores("acme"), await self.head(), path)

    async def answers(self) -> list[str]:
        """The ids of the answered messages, in order of their turns."""
        engine = self.observer
        return [line.message_id for line in await read_lines(engine, engine.stores("acme"), await self.head())]

    async def transcript(self) -> list[dict[str, object]]:
        """The entries with a uuid of the committed transcript."""
        head = await self.head()
        content = await self.file(f"config/projects/session/{head.agent_session_id}.jsonl") or b""
        return [entry for line in content.splitlines() if "uuid" in (entry := json.loads(line))]


def disk(root: Path) -> DiskWorkspaces:
    """Private trees below a folder."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return DiskWorkspaces(root)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty universe."""
    return World(tmp_path)


@pytest.fixture
def new_world(tmp_path: Path) -> Callable[[], World]:
    """Any number of empty universes."""
    numbers = count(1)
    return lambda: World(tmp_path / str(next(numbers)))
