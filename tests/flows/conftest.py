"""A tenant with sessions in it, on memory stores that outlive any number of workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest

from outlive.agents.workspace import DiskWorkspaces
from outlive.core.keys import SessionId, SessionKey, head_key, pack_prefix, session_key
from outlive.core.messages import Inbound
from outlive.core.sessions import Head, decode_head
from outlive.core.statistics import STATISTICS_KEY
from outlive.errors import OutliveError
from outlive.flows.engine import Engine, Policy
from outlive.flows.run_turn import Turn, run_turn
from outlive.flows.sessions.fork_session import fork_session
from outlive.flows.sessions.walk_history import list_packs, walk_history
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_session import find_session, start_anew
from outlive.flows.turn.hydrate_tree import hydrate_tree
from outlive.memory.objects import MemoryObjects
from outlive.memory.queue import MemoryQueue
from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.protocols import AgentEvent, Channel, Objects, Reply, Row, Table, TextPart, Workspace
from outlive.testing.clock import ManualClock
from outlive.testing.faults import Crash, CrashBefore, Plan, Rule, on
from outlive.testing.instant_agent import InstantAgent
from outlive.testing.wrappers import Around, wrap

T = TypeVar("T")

TENANT = "acme"
KEY = session_key(TENANT, "console", "ada")
FLUSH = 4.0


COMPLETE = on("table.write", CrashBefore())
"""Dies between the pack of a finished turn and its commit."""
UNFINISHED = on("objects.put", CrashBefore(), nth=2)
"""Dies after a flush."""


class StillClock(ManualClock):
    """Retries' short pauses pass at once; longer sleeps last until the test lets time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self.asked: list[float] = []
        """How long somebody has wanted to sleep."""

    async def sleep(self, seconds: float) -> None:
        if seconds <= 2:
            await super().sleep(seconds)
            return
        self.asked.append(seconds)
        waking = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.now() + seconds, waking))
        await waking

    def advance(self, seconds: float) -> None:
        """Let time pass, and wake who is due."""
        super().advance(seconds)
        for due, waking in self.sleepers:
            if due <= self.now() and not waking.done():
                waking.set_result(None)


class Console:
    """A channel that remembers what it delivered; while `down`, it fails."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.down: OutliveError | None = None

    async def deliver(self, reply: Reply) -> None:
        """Keep it."""
        if self.down:
            raise self.down
        self.replies.append(reply)


_ids = count(1)


def make_engine(
    tmp_path: Path,
    worker: str = "w1",
    *,
    table: Table | None = None,
    objects: Objects | None = None,
    clock: ManualClock | None = None,
    channels: Mapping[str, Channel] | None = None,
    policy: Policy | None = None,
) -> Engine:
    """A worker with a disk of its own; give several the same stores and clock."""
    clock = clock or StillClock()
    return Engine(
        table=table or MemoryTable(),
        objects=objects or MemoryObjects(clock=clock),
        queue=MemoryQueue(clock=clock),
        workspaces=DiskWorkspaces(tmp_path / worker),
        agent=InstantAgent(),
        clock=clock,
        new_id=lambda: f"{next(_ids):032x}",
        worker=worker,
        policy=policy or Policy(flush_seconds=FLUSH),
        channels=channels or {"console": Console()},
    )


class Meanwhile:
    """Somebody else, who acts just before a call of this name is made for the nth time."""

    def __init__(self, name: str, act: Callable[[], Awaitable[object]], *, nth: int = 1) -> None:
        self.name, self.act, self.left = name, act, nth

    async def __call__(self, name: str, _arguments: tuple[object, ...], call: Callable[[], Awaitable[T]], /) -> T:
        self.left -= name == self.name
        if name == self.name and self.left == 0:
            await self.act()
        return await call()


class World:
    """Stores, a clock, a channel, and workers on them."""

    def __init__(self, disks: Path) -> None:
        self.disks = disks
        self.server = MemoryServer()
        self.clock = StillClock()
        self.console = Console()
        self.channels = {"console": self.console}
        self.keep = 50
        self.trees: dict[tuple[str, int], dict[str, object]] = {}
        """What each version restored to right after it was committed."""

    def worker(self, name: str = "w1", around: Around | None = None) -> Engine:
        """A worker; `around` (a fault plan, a `Meanwhile`) stands between it and the stores."""
        around = around or Plan(clock=self.clock)
        return make_engine(
            self.disks,
            name,
            table=wrap(MemoryTable(self.server), "table", around),
            objects=wrap(MemoryObjects(self.server, clock=self.clock), "objects", around),
            clock=self.clock,
            channels=self.channels,
            policy=Policy(flush_seconds=FLUSH, keep_versions=self.keep),
        )

    @property
    def stores(self) -> TenantStores:
        """The tenant's stores, with nothing in between."""
        return self.worker().stores(TENANT)

    # ---------------------------------------------------------------------------------- what happens

    def inbound(self, text: str, message_id: str | None = None, *, key: SessionKey = KEY) -> Inbound:
        """A message."""
        return Inbound(key, message_id or f"m{next(_ids)}", text, self.clock.now())

    async def say(self, text: str, *, key: SessionKey = KEY, worker: str = "w1", remember: bool = True) -> Turn:
        """One message, answered; the tree it leaves is remembered."""
        turn = await run_turn(self.worker(worker), self.inbound(text, key=key))
        assert isinstance(turn, Turn)
        if remember:
            await self.remember(SessionId(turn.session_id))
        return turn

    async def die(self, rule: Rule, text: str = "never answered", *, key: SessionKey = KEY) -> Inbound:
        """A message whose worker dies as the rule says, once it has flushed; its lease runs out."""
        inbound = self.inbound(text, key=key)
        with pytest.raises(Crash):
            await run_turn(self.worker("dead", Plan(rule, clock=self.clock)), inbound, on_event=self.pause)
        self.clock.advance(31)
        return inbound

    @asynccontextmanager
    async def running(self, text: str = "takes long", *, key: SessionKey = KEY) -> AsyncIterator[asyncio.Task]:
        """A turn that has flushed and goes on until the block ends."""
        begun, end = asyncio.Event(), asyncio.Event()

        async def hold(event: AgentEvent) -> None:
            if isinstance(event, TextPart) and not begun.is_set():
                await self.pause(event)
                begun.set()
                await end.wait()

        turn = asyncio.create_task(run_turn(self.worker("slow"), self.inbound(text, key=key), on_event=hold))
        await begun.wait()
        try:
            yield turn
        finally:
            end.set()
            await asyncio.gather(turn, return_exceptions=True)

    async def pause(self, event: AgentEvent) -> None:
        """Let a flush window pass while the agent runs."""
        if isinstance(event, TextPart):
            self.clock.advance(FLUSH + 0.1)
            for _ in range(50):
                await asyncio.sleep(0.0002)

    async def remember(self, session_id: SessionId) -> None:
        """Keep what the newest version restores to."""
        self.trees[session_id, (await self.head(session_id)).version] = await self.restored(session_id)

    async def start_anew(self, key: SessionKey = KEY) -> SessionId:
        """A session without a turn."""
        return await start_anew(self.worker(), self.stores, key, "default")

    def flip(self, session_id: str, name: str) -> None:
        """Flip a bit of a stored pack."""
        key = f"{TENANT}/{pack_prefix(SessionId(session_id))}{name}"
        data, at = self.server.blobs[key]
        self.server.blobs[key] = (data[:-1] + bytes([data[-1] ^ 1]), at)

    def lose(self, session_id: str, name: str) -> None:
        """Remove a stored pack."""
        del self.server.blobs[f"{TENANT}/{pack_prefix(SessionId(session_id))}{name}"]

    # ------------------------------------------------------------------------------------- what there is

    async def session(self, key: SessionKey = KEY) -> SessionId:
        """The session behind a key."""
        return await find_session(self.worker(), self.stores, key)

    def row(self, session_id: str) -> Row:
        """A head's record, past every wrapper."""
        return self.server.rows[f"{TENANT}/{head_key(SessionId(session_id))}"]

    def strip(self, row: Row) -> Row:
        """A record as the tenant's own table shows it."""
        return replace(row, key=row.key.removeprefix(f"{TENANT}/"))

    async def head(self, session_id: str | None = None) -> Head:
        """A head, past every wrapper."""
        row = self.row(session_id or await self.session())
        return decode_head(row.body, row.key)

    def packs(self, session_id: str) -> list[str]:
        """Names of the stored packs of a session."""
        prefix = f"{TENANT}/{pack_prefix(SessionId(session_id))}"
        return sorted(key.removeprefix(prefix) for key in self.server.blobs if key.startswith(prefix))

    def rows(self) -> list[str]:
        """Keys of all records of the tenant, but for the statistics."""
        found = [key.removeprefix(f"{TENANT}/") for key in self.server.rows if key.startswith(f"{TENANT}/")]
        return sorted(key for key in found if key != STATISTICS_KEY)

    def everything(self) -> tuple[dict[str, object], dict[str, object]]:
        """All that is stored, but for the statistics."""
        rows = {key: row for key, row in self.server.rows.items() if not key.endswith(STATISTICS_KEY)}
        return rows, dict(self.server.blobs)

    async def restored(self, session_id: str) -> dict[str, object]:
        """The newest version as a machine that has never seen it restores it: path -> mode and content or target."""
        engine = self.worker(f"fresh-{next(_ids)}")
        async with self.disk(session_id, engine) as workspace:
            await hydrate_tree(engine, self.stores, await self.head(session_id), workspace)
            return {
                stat.path: (stat.mode, stat.target or (await workspace.read(stat.path) if stat.kind != "dir" else b""))
                for stat in await workspace.scan()
            }

    async def needed(self, session_id: str) -> set[str]:
        """The packs of every kept version."""
        engine, head = self.worker(), await self.head(session_id)
        versions = walk_history(engine, self.stores, head, await list_packs(engine, self.stores, head.session_id))
        return {ref.name async for version in versions for ref in version.tree.packs}

    async def check_versions(self, session_id: str) -> None:
        """Every kept version restores to the bytes it had when it was committed."""
        newest = (await self.head(session_id)).version
        for version in range(newest, max(newest - self.keep, 0), -1):
            forked = await fork_session(self.worker(), self.stores, SessionId(session_id), version=version)
            assert await self.restored(forked.session_id) == self.trees[session_id, version]

    @asynccontextmanager
    async def disk(self, session_id: str, engine: Engine | None = None) -> AsyncIterator[Workspace]:
        """A session's tree on a worker's disk, by default the first one's."""
        workspace = await (engine or self.worker()).workspaces.open(TENANT, session_id)
        try:
            yield workspace
        finally:
            await workspace.close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A tenant without a session."""
    return World(tmp_path)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A worker on stores of its own."""
    return make_engine(tmp_path)
