"""A warm turn's own work, counted: it is the same after ten messages and after ten thousand."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest

from outlive.protocols import SessionSeen, TurnDone
from outlive.testing.wrappers import wrap
from tests.engine.conftest import World

SESSION = "6f1c2e34-6f0e-4b8e-9d0c-0b1f6a2f7c55"
PATH = f"config/projects/session/{SESSION}.jsonl"
FEW, MANY = 10, 10_000
SEEN = 66
"""Turns before anything is counted: what the head remembers is full by then, and all of it of the same hour."""


@dataclass
class Scribe:
    """An agent that adds so many messages of 2 KB to its transcript, and never reads it."""

    messages: int = 2
    written: int = 0
    roots: list[object] = field(default_factory=list)

    async def run(self, turn):
        """Write, and answer with the length of it: the ledger gets a long line where the transcript gets much."""
        yield SessionSeen(SESSION)
        lines = [self._line() for _ in range(self.messages)]
        path = turn.root / PATH
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.writelines(lines)
        yield TurnDone("x" * 100 * self.messages, SESSION)

    def _line(self) -> str:
        parent = str(UUID(int=self.written)) if self.written else None
        self.written += 1
        entry = {"parentUuid": parent, "type": "user", "uuid": str(UUID(int=self.written)), "message": "w" * 2048}
        return json.dumps(entry, separators=(",", ":")) + "\n"

    async def keep(self, root, tree) -> None:
        """Nothing rests."""

    async def drop(self, root, *, unless=None) -> None:
        """Nothing rests."""


@dataclass
class Work:
    """What one turn did."""

    calls: int = 0
    """Of Python and C functions, on every thread."""
    peak: int = 0
    """Bytes allocated at the same time, at most."""
    read: int = 0
    """Bytes read from the tree."""
    passages: int = 0
    """Pieces of work handed to a thread."""


@contextmanager
def counted(work: Work) -> Iterator[None]:
    """Count on this thread and on those that the loop's executor starts from now on."""

    def note(_frame, event, _argument) -> None:
        work.calls += event in ("call", "c_call")

    class Pool(ThreadPoolExecutor):
        def submit(self, *arguments, **named):
            work.passages += 1
            return super().submit(*arguments, **named)

    pool = Pool(1, initializer=sys.setprofile, initargs=(note,))
    asyncio.get_running_loop().set_default_executor(pool)
    gc.collect()
    tracemalloc.start()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)
        work.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        pool.shutdown()
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))


async def a_turn_after(base, messages: int) -> Work:
    """A warm turn of a session with so many messages, and the least of three, since some take packs over."""
    world, scribe, total = World(base), Scribe(messages), Work()
    world.agent = scribe
    engine, works = world.worker("a"), []

    async def note(name, arguments, call):
        found = await call()
        total.read += len(found) if name == "workspace.read" else 0
        return found

    spaces = wrap(engine.workspaces, "workspaces", note, inner={"open": "workspace"})
    engine = replace(engine, workspaces=spaces, agent=scribe)
    for number in range(SEEN + 3):
        before, work = total.read, Work()
        scribe.messages = 2 if number else messages
        if number < SEEN:
            await world.turn(engine, f"m{number}")
        else:
            with counted(work):
                await world.turn(engine, f"m{number}")
            works.append(replace(work, read=total.read - before))
        world.clock.advance(5)
    return min(works, key=lambda each: each.calls)


@pytest.mark.promise("P11")
async def test_no_step_of_a_turn_walks_the_history(tmp_path) -> None:
    """After 10,000 messages a warm turn calls no more functions, takes no more memory and reads no more of its tree."""
    few, many = await a_turn_after(tmp_path / "few", FEW), await a_turn_after(tmp_path / "many", MANY)
    assert few.calls > 1000, "nothing was counted"
    assert many.calls <= 1.05 * few.calls, (few, many)
    assert many.peak <= few.peak + 64 * 1024, (few, many)
    assert many.read <= few.read + 64 * 1024, (few, many)
    assert few.passages == many.passages <= 1, "only for the lock of the tree"
