"""outlive, embedded, as a contestant: its own `run_turn` on SQLite and a local folder, and its own cold start."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.json import Decoder

from bench.contest import History
from bench.operations import OPERATIONS
from bench.stores_alone import ALONE, StoresAlone
from bench.workload import Message, Turn
from outlive.core.keys import session_key
from outlive.core.messages import Inbound
from outlive.flows.engine import Engine
from outlive.flows.run_turn import run_turn
from outlive.flows.turn.find_session import hold_session
from outlive.flows.turn.hold_lease import Busy, Lease
from outlive.flows.turn.hydrate_tree import hydrate_tree
from outlive.protocols import AgentEvent, AgentTurn, SessionSeen, TurnDone
from outlive.settings import Settings, load_settings
from outlive.testing.wrappers import wrap
from outlive.wiring import open_app

AGENT_SESSION_ID = "6f1c2e34-6f0e-4b8e-9d0c-0b1f6a2f7c55"
TRANSCRIPT = Path("config/projects/-session-work") / f"{AGENT_SESSION_ID}.jsonl"
TAIL_BYTES = 64 * 1024
NOTED = 3
"""The first turn of a session asks for more than the others."""
SEED_TURNS = 250
"""A longer session is seeded by this many turns of several messages: its packs are then as mixed as any."""
_LINES: Decoder[Any] = Decoder()
"""The fastest parser for Python, because the CLI's is no Python either; it is the benchmark's own dependency."""
PAUSE = 300.0
"""Seconds between two turns by the engine's clock, as between a person's messages. In a burst of hundreds each would
look like a possible repeat of a message too old for the head to remember, and be searched for in the ledger."""


class OutliveEmbedded:
    """Table in SQLite (WAL, `synchronous=FULL`), packs as files in a folder, each synced before it counts."""

    async def open(self, folder: Path) -> None:
        # A machine that has never seen the session: nothing of it is on disk but what the stores hold.
        self._machine = Path(tempfile.mkdtemp(dir=folder.parent, prefix="machine-"))
        self._scribe = self.scribe()
        self._lease: Lease | None = None
        self._clock = SpacedClock()
        self._key = session_key(self.tenant(folder), "console", os.environ.get("BENCH_SESSION", "bench"))
        self._stack = AsyncExitStack()
        self.stages: dict[str, float] = {}
        self._began = time.process_time()
        settings = self.settings(folder)
        self._stage("settings")
        app = await self._stack.enter_async_context(open_app(settings, agent=self._scribe))
        self._engine = replace(app.engine, clock=self._clock)
        if OPERATIONS.are_counted:
            table, objects = (wrap(part, name, _note) for part, name in _requested(app.engine))
            self._engine = replace(self._engine, table=table, objects=objects)
        self._is_noted = False
        self._alone: StoresAlone | None = None
        if ALONE in os.environ:
            self._alone = StoresAlone(app.engine.table, app.engine.objects)
            self._engine = replace(self._engine, table=self._alone.table, objects=self._alone.objects)
        self._stage("stores")

    def _stage(self, name: str) -> None:
        """CPU milliseconds since the last one, for the report: what of a resume a peer has, too."""
        now = time.process_time()
        self.stages[name], self._began = (now - self._began) * 1e3, now

    def scribe(self) -> Scribe:
        """Who stands where the agent stands."""
        return Scribe()

    def settings(self, folder: Path) -> Settings:
        """Where everything lies."""
        return load_settings(data=folder, workspaces=self._machine)

    def tenant(self, folder: Path) -> str:  # noqa: ARG002 (others need it)
        """Whose session it is."""
        return "local"

    async def seed(self, turns: list[Turn]) -> None:
        parts = min(len(turns), SEED_TURNS)
        self._clock.ahead -= parts * PAUSE
        for number in range(parts):
            first, end = len(turns) * number // parts, len(turns) * (number + 1) // parts
            await self._run([message for turn in turns[first:end] for message in turn])

    async def append_turn(self, user: Message, assistant: Message) -> None:
        # Lease, hydrate (nothing to do on a warm machine), agent, pack, commit, deliver, release.
        if self._alone is None:
            await self._run([user, assistant])
        else:
            await self._ask_alone(self._alone, user, assistant)

    async def _ask_alone(self, alone: StoresAlone, user: Message, assistant: Message) -> None:
        """What a turn asks for, without the turn; the first time it is noted, from the last of some real turns."""
        if not self._is_noted:
            for number in range(NOTED):
                alone.forget()
                await self._run([replace(message, id=f"{message.id}-{number}") for message in (user, assistant)])
            self._is_noted = True
        await alone.ask()

    async def resume(self) -> History:
        # What a worker does before it starts the agent, and then what the agent does: read its transcript.
        stores = self._engine.stores(self._key.tenant)
        lease = await hold_session(self._engine, stores, self._key, "default")
        assert not isinstance(lease, Busy)
        self._lease = lease
        self._stage("lease")
        workspace = await self._engine.workspaces.open(self._key.tenant, lease.head.session_id)
        await hydrate_tree(self._engine, stores, lease.head, workspace)
        self._stage("tree")
        history = read_history(workspace.root)
        self._stage("parse")
        await workspace.close()
        return history

    async def forget(self) -> None:
        if self._lease is not None:
            await self._lease.release()
            self._lease = None
        shutil.rmtree(self._machine)
        self._machine.mkdir(mode=0o700)
        self._began = time.process_time()

    async def close(self) -> None:
        if self._lease is not None:
            await self._lease.release()
        await self._stack.aclose()
        shutil.rmtree(self._machine)

    async def _run(self, messages: Sequence[Message]) -> None:
        self._scribe.messages = messages
        self._clock.ahead += PAUSE
        sent = Inbound(self._key, messages[0].id, messages[0].text, self._clock.now())
        turn = await run_turn(self._engine, sent)
        assert not isinstance(turn, Busy)


class SpacedClock:
    """The system's clock, set ahead by a pause before every turn."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Scribe:
    """Stands where the agent stands: adds `messages` to the transcript in the shape of the CLI's lines, no more."""

    def __init__(self) -> None:
        self.messages: Sequence[Message] = ()
        self._parent: str | None = None

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        """Answer with the last of the messages."""
        session_id = turn.agent_session_id or AGENT_SESSION_ID
        yield SessionSeen(session_id)
        path = turn.root / TRANSCRIPT
        self._parent = self._parent or last_uuid(path)
        lines = "".join(self.lines(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(lines)
        yield TurnDone(self.messages[-1].text, session_id)

    def lines(self, path: Path) -> Iterator[str]:  # noqa: ARG002 (others need it)
        """What the transcript at `path` gets."""
        for message in self.messages:
            yield self.line(message.id, message.role, message_content(message))

    def line(self, identity: str, kind: str, content: object, **more: object) -> str:
        """One entry on top of the last one, with the fields that the CLI writes into every entry of this kind."""
        entry = {
            "parentUuid": self._parent,
            "isSidechain": False,
            "type": kind,
            "message": {"role": kind, "content": content},
            "uuid": identity,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "userType": "external",
            "cwd": "/session/work",
            "sessionId": AGENT_SESSION_ID,
            "version": "2.1.329",
            "gitBranch": "",
        }
        self._parent = identity
        return json.dumps(entry | more, separators=(",", ":")) + "\n"

    async def keep(self, root: Path, tree: str) -> None:
        """Nothing rests."""

    async def drop(self, root: Path, *, unless: str | None = None) -> None:
        """Nothing rests."""

    async def interrupt(self, root: Path) -> bool:  # noqa: ARG002 (the protocol's name)
        """Nothing runs long enough to be interrupted."""
        return False

    async def steer(self, root: Path, text: str) -> bool:  # noqa: ARG002 (the protocol's names)
        """Nor long enough to be told more."""
        return False

    async def close(self) -> None:
        """Nothing runs between turns."""


def _requested(engine: Engine) -> list[tuple[Any, str]]:
    return [(engine.table, "table"), (engine.objects, "objects")]


async def _note(
    name: str,
    arguments: tuple[object, ...],  # noqa: ARG001 (the protocol's name)
    call: Callable[[], Awaitable[Any]],
) -> Any:
    """Count a request to the table or the objects, which is a request on every backend."""
    OPERATIONS.note(name)
    return await call()


def read_history(root: Path) -> History:
    """The conversation in a restored tree, every line parsed into a dictionary with all its fields, and kept."""
    entries: list[dict[str, Any]] = _LINES.decode_lines((root / TRANSCRIPT).read_bytes())
    return History.of(_text(entry["message"]["content"]) for entry in entries if "compactMetadata" not in entry)


def last_uuid(path: Path) -> str | None:
    """The entry that the next one builds on, from the transcript's last line; None before the first turn."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - TAIL_BYTES, 0))
        entry: dict[str, Any] = json.loads(file.read().splitlines()[-1])
    return str(entry["uuid"])


def message_content(message: Message) -> object:
    """A message's text, as the CLI writes it for who says it."""
    return message.text if message.role == "user" else [{"type": "text", "text": message.text}]


def _text(content: Any) -> str:
    return str(content if isinstance(content, str) else content[0]["text"])


CONTESTANT = OutliveEmbedded
