"""Two regions in memory: each with its stores, workers on either side, and a line between them that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from outlive.core.keys import head_key
from outlive.core.messages import Inbound
from outlive.core.regions import Regions, Replication
from outlive.core.sessions import Head, decode_head
from outlive.errors import Unavailable
from outlive.flows.engine import Engine, Policy
from outlive.flows.fresh_records import FreshRecords
from outlive.flows.regions.copying import PAUSE, Copying
from outlive.flows.regions.pair import CONTROL_SECONDS, RegionPair
from outlive.flows.regions.regional_table import RegionalTable
from outlive.flows.regions.replicated_objects import ReplicatedObjects
from outlive.flows.regions.take_over import TakenOver, plan_take_over, take_over
from outlive.flows.run_turn import Turn, run_turn
from outlive.flows.turn.find_session import find_session
from outlive.flows.turn.hold_lease import Busy
from outlive.memory.objects import MemoryObjects
from outlive.memory.queue import MemoryQueue
from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.protocols import AgentEvent, TextPart
from outlive.testing.counting import Counts, counting
from outlive.testing.faults import Plan, faulty
from outlive.testing.instant_agent import InstantAgent
from tests.engine.conftest import FLUSH, KEY, Inbox, PacedClock, disk

NAMES = ("east", "west")


class Line:
    """The way from one region to the other's stores."""

    def __init__(self) -> None:
        self.is_cut = False

    def over(self, store: Any) -> Any:
        """The store, as it is reached over this line."""
        return _Far(self, store)


class _Far:
    def __init__(self, line: Line, store: Any) -> None:
        self._line, self._store = line, store

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)

        async def over(*args: Any, **named: Any) -> Any:
            if self._line.is_cut:
                raise Unavailable("the line between the regions is cut.")
            return await call(*args, **named)

        return over


class PatientClock:
    """The test's clock; a copy that is tried again waits in real time, for a moment, and moves no hands."""

    def __init__(self, clock: PacedClock) -> None:
        self._clock = clock

    def now(self) -> float:
        """As the test says."""
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        """A pause between copies is short; any other one lets the time pass."""
        await asyncio.sleep(0.001)
        if seconds > PAUSE:
            self._clock.advance(seconds)


@dataclass(slots=True)
class Worker:
    """A worker in one of the regions."""

    engine: Engine
    pair: RegionPair
    copying: Copying


class TwoRegions:
    """Both regions' stores; they outlive the workers."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.agent, self.inbox = folder, PacedClock(), InstantAgent(), Inbox()
        self.servers = {name: MemoryServer() for name in NAMES}
        self.line, self.far = Line(), Counts()
        self.draw: Callable[[int], int] = Random(1).getrandbits
        self._ids, self._disks = count(1), count(1)

    def worker(self, region: str, mode: str = "synchronous", *, plan: Plan | None = None, **policy: Any) -> Worker:
        """A worker with a disk of its own; with a plan, its calls to both regions go wrong as planned."""
        pair = self.pair(region, mode, plan=plan)
        copying = Copying(pair)
        engine = Engine(
            table=FreshRecords(RegionalTable(pair, copying), self.draw),
            objects=ReplicatedObjects(pair, copying),
            queue=MemoryQueue(self.servers[region], clock=self.clock),
            workspaces=disk(self.folder / f"disk{next(self._disks)}"),
            agent=faulty(self.agent, plan or Plan(), "agent"),
            clock=self.clock,
            new_id=lambda: f"{next(self._ids):032x}",
            worker=region,
            policy=Policy(region=region, flush_seconds=FLUSH, **policy),
            channels={"console": self.inbox},
            regions=pair,
        )
        return Worker(engine, pair, copying)

    def pair(self, region: str, mode: str = "synchronous", *, plan: Plan | None = None) -> RegionPair:
        """Both regions as they are reached from `region`."""
        tables: dict[str, Any] = {name: MemoryTable(server) for name, server in self.servers.items()}
        objects: dict[str, Any] = {n: MemoryObjects(server, clock=self.clock) for n, server in self.servers.items()}
        regions = Regions(NAMES, region)
        for far, name in ((tables, "table"), (objects, "objects")):
            far[regions.other] = counting(self.line.over(far[regions.other]), self.far, name)
            far.update({region: faulty(store, plan or Plan(), name) for region, store in far.items()})
        return RegionPair(regions, Replication(mode), tables, objects, PatientClock(self.clock))

    def message(self, text: str) -> Inbound:
        """A message whose id is its text."""
        return Inbound(KEY, text, text, self.clock.now())

    async def turn(self, worker: Worker, text: str, *, paced: bool = False) -> Turn:
        """A turn that must not find the session busy; `paced` lets two flush windows pass while it runs."""
        turn = await run_turn(worker.engine, self.message(text), on_event=self._pace if paced else None)
        assert not isinstance(turn, Busy)
        return turn

    async def _pace(self, event: AgentEvent) -> None:
        if isinstance(event, TextPart):
            await self.clock.let_pass(FLUSH + 0.5)

    async def take(self, region: str, mode: str = "synchronous", *, plan: Plan | None = None) -> TakenOver:
        """Everything to `region`, as the command does it."""
        pair = self.pair(region, mode, plan=plan)
        return await take_over(pair, await plan_take_over(pair), everything=True)

    def kill(self, region: str) -> None:
        """The region's stores are gone."""
        self.servers[region].failure = ConnectionError("the region is down")

    def pass_by(self) -> None:
        """Everybody's knowledge of the control records has run out."""
        self.clock.advance(CONTROL_SECONDS + 0.1)

    async def head(self, region: str) -> Head:
        """The session's head as the region's own table has it."""
        engine = self.worker(region).engine
        name = head_key(await find_session(engine, engine.stores("acme"), KEY))
        return decode_head(self.servers[region].rows[f"acme/{name}"].body, name)

    def answered(self, region: str) -> int:
        """Turns of the newest session there."""
        rows = [row for key, row in self.servers[region].rows.items() if key.startswith("acme/head/")]
        return max(decode_head(row.body, row.key).summary.turns for row in rows)


@pytest.fixture
def new_two(tmp_path: Path) -> Callable[[], TwoRegions]:
    """Any number of empty pairs of regions."""
    numbers = count(1)
    return lambda: TwoRegions(tmp_path / str(next(numbers)))


@pytest.fixture
def two(tmp_path: Path) -> TwoRegions:
    """Two empty regions."""
    return TwoRegions(tmp_path)
