"""Session stores on every embedded backend, with clocks, counts and faults that tests hold in their hands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from claude_agent_sdk import fold_session_summary

from outlive.core.keys import SessionId, pack_prefix
from outlive.core.store_heads import StoreHead, decode_store_head
from outlive.core.store_logs import row_key
from outlive.flows.session_store.parts import StorePolicy
from outlive.flows.session_store.store import SessionStore
from outlive.memory.objects import MemoryObjects
from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.objects.objects import UrlObjects
from outlive.protocols import Clock, Objects, Row, Table
from outlive.sqlite.table import SqliteTable
from outlive.testing.clock import ManualClock
from outlive.testing.counting import Counts, counting
from outlive.testing.faults import Action, Pass, Plan, Step, every, faulty

TENANT = "acme"
AREA = f"{TENANT}/store/"
KEY = {"project_key": "proj", "session_id": "s1"}
SUB = {**KEY, "subpath": "subagents/agent-1"}

Json = dict[str, Any]


class World:
    """A table and objects that outlive every store opened on them."""

    def __init__(self, table: Table, objects: Objects, clock: ManualClock) -> None:
        self.table = table
        self.objects = objects
        self.clock = clock
        self.counts = Counts()
        self._ids = count(1)

    def store(
        self, plan: Plan | None = None, *, clock: Clock | None = None, tenant: str = TENANT, **policy: Any
    ) -> Any:
        """A store as a process of its own would open it; with a plan, its calls go wrong as planned."""
        plan = plan or Plan()
        return SessionStore(
            table=faulty(counting(self.table, self.counts, "table"), plan, "table"),
            objects=faulty(counting(self.objects, self.counts, "objects"), plan, "objects"),
            tenant=tenant,
            clock=clock or self.clock,
            new_id=lambda: f"{next(self._ids) * 0x9E3779B97F4A7C15F39CC0605CEDC834 % 2**128:032x}",
            fold=policy.pop("fold", fold_session_summary),
            policy=StorePolicy(**policy),
        )

    async def uuids(self, key: Json = KEY) -> list[str | None]:
        """What a process that knows nothing loads."""
        entries = await self.store(allow_gaps=True).load(key)
        return [entry.get("uuid") for entry in entries or []]

    async def row(self, key: Json = KEY) -> Row | None:
        """The session's record, read past every wrapper."""
        return await self.table.read(AREA + row_key(key["project_key"], key["session_id"]))

    async def head(self, key: Json = KEY) -> StoreHead:
        """The session's head."""
        row = await self.row(key)
        assert row is not None
        return decode_store_head(row.body, row.key)

    async def objects_below(self, prefix: str = "") -> list[str]:
        """The keys of all objects below a prefix."""
        return [info.key for info in await self.objects.list(prefix)]

    async def damage(self, change: Callable[[bytes], bytes | None], *, which: int = -1) -> str:
        """Replace the bytes of one of the session's live packs, or remove it; returns its name."""
        head = await self.head()
        name = head.packs[which].name
        key = AREA + pack_prefix(SessionId(head.packs_id)) + name
        changed = change(await self.objects.get(key))
        await self.objects.delete([key])
        if changed is not None:
            await self.objects.put(key, changed)
        return name


class Outage:
    """A rule that tests switch: what happens to the calls of a name until it is over."""

    def __init__(self, name: str, action: Action) -> None:
        self.rule = every(name, action)
        self.over = False

    def __call__(self, step: Step) -> Action:
        return Pass() if self.over else self.rule(step)


@pytest.fixture(params=["memory", "local"])
async def world(request: pytest.FixtureRequest, new_world: Callable[[str], Awaitable[World]]) -> World:
    """An empty universe: in memory, and in SQLite with a local folder."""
    return await new_world(request.param)


@pytest.fixture
async def memory_world(new_world: Callable[[str], Awaitable[World]]) -> World:
    """An empty universe in memory, for what does not depend on the backend."""
    return await new_world("memory")


@pytest.fixture
async def new_world(tmp_path: Path) -> AsyncIterator[Callable[[str], Awaitable[World]]]:
    """Any number of empty universes of a kind."""
    numbers, opened = count(1), list[Table]()

    async def make(kind: str) -> World:
        clock = ManualClock()
        if kind == "memory":
            server = MemoryServer()
            return World(MemoryTable(server), MemoryObjects(server, clock=clock), clock)
        root = tmp_path / str(next(numbers))
        objects = await UrlObjects.open(f"file://{root / 'objects'}", clock=clock)
        opened.append(await SqliteTable.open(root / "table.db"))
        return World(opened[-1], objects, clock)

    yield make
    for table in opened:
        await table.close()


def entry(uuid: str, parent: str | None = None, **fields: Any) -> Json:
    """An entry with a uuid, in the CLI's shape."""
    return {"type": "user", "uuid": uuid, "parentUuid": parent, **fields}


def chain(*uuids: str, after: str | None = None) -> list[Json]:
    """Entries each of which builds on the one before."""
    return [entry(uuid, parent) for uuid, parent in zip(uuids, (after, *uuids), strict=False)]


def note(text: str = "n") -> Json:
    """An entry without a uuid."""
    return {"type": "last-prompt", "lastPrompt": text}


def new_uuid() -> str:
    """A uuid as the CLI makes them."""
    return str(uuid4())
