"""Runs the contest: every contestant at every size, interleaved, so that they share the machine's moods."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.contest import Entry
from bench.remote import BenchError, Interpreters, Remote
from bench.workload import MESSAGE_BYTES

Answer = dict[str, Any]
COUNTED_TURNS = 4
"""Turns whose operations are counted, after the timed ones."""
REPEATED_RESUMES = 2
"""Resumes in one reading process, beyond its first."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: who, at which numbers of messages, how many turns in how many rounds, and where."""

    entries: Sequence[Entry]
    sizes: Sequence[int]
    turns: int
    rounds: int
    folder: Path
    interpreters: Interpreters

    def on(self, scenario: str) -> Plan:
        """The same for those that keep what they keep there."""
        return replace(self, entries=[entry for entry in self.entries if entry.scenario == scenario])


@dataclass(slots=True)
class Record:
    """Everything measured of one contestant at one size, raw."""

    entry: Entry
    messages: int
    hello: Answer = field(default_factory=dict)
    seed_seconds: float = 0.0
    disk_before: Answer = field(default_factory=dict)
    disk_after: Answer = field(default_factory=dict)
    turns: list[Answer] = field(default_factory=list)
    close: Answer = field(default_factory=dict)
    first_resumes: list[Answer] = field(default_factory=list)
    resumes: list[Answer] = field(default_factory=list)
    turn_operations: dict[str, int] = field(default_factory=dict)
    resume_operations: dict[str, int] = field(default_factory=dict)


async def race(plan: Plan, say: Callable[[str], None]) -> list[Record]:
    """Run the whole plan; records come by size, then in the order of the entries. BenchError if one fails."""
    records: list[Record] = []
    for size in plan.sizes:
        course = _Course(plan, size, say)
        try:
            records += await course.run()
        finally:
            shutil.rmtree(course.folder, ignore_errors=True)
    return records


class _Course:
    """One size: seed all, resume all, append to all, count all."""

    def __init__(self, plan: Plan, size: int, say: Callable[[str], None]) -> None:
        self.folder = plan.folder / str(size)
        self._plan = plan
        self._size = size
        self._line = say
        self._records = {entry.name: Record(entry, size) for entry in plan.entries}

    async def run(self) -> list[Record]:
        async with self._workers() as writers:
            await self._seed(writers)
            for number in range(self._plan.rounds):
                await self._resume(number)
            await self._append(writers)
        return list(self._records.values())

    def _say(self, text: str) -> None:
        self._line(f"{self._size:>6} messages: {text}")

    async def _seed(self, writers: Sequence[Remote]) -> None:
        for writer in writers:
            record = self._records[writer.entry.name]
            self._say(f"seed {writer.entry.name}")
            answer = await writer.ask("seed", turns=self._size // 2)
            record.seed_seconds = answer["seconds"]
            record.disk_before = await writer.ask("disk")

    async def _resume(self, number: int) -> None:
        """One round of resumes, each contestant in a process that has not touched the session before."""
        self._say(f"resume, round {number + 1} of {self._plan.rounds}")
        async with self._workers() as readers:
            for reader in _rotated(readers, number):
                self._records[reader.entry.name].first_resumes.append(await self._resumed(reader))
            for _ in range(REPEATED_RESUMES):
                for reader in _rotated(readers, number):
                    self._records[reader.entry.name].resumes.append(await self._resumed(reader))
            if number == 0:
                await self._count_resumes(readers)

    async def _resumed(self, reader: Remote) -> Answer:
        answer = await reader.ask("resume")
        wanted = reader.entry.brings(self._size)
        found, expected = (answer["messages"], answer["text_bytes"]), (wanted, wanted * MESSAGE_BYTES)
        if found != expected:
            raise BenchError(f"{reader.entry.name}: resumed {found}, expected {expected} (messages, bytes of text)")
        sample: Answer = answer["sample"]
        return sample

    async def _count_resumes(self, readers: Sequence[Remote]) -> None:
        for reader in readers:
            answer = await reader.ask("count_resume")
            self._records[reader.entry.name].resume_operations = answer["operations"]

    async def _append(self, writers: Sequence[Remote]) -> None:
        for writer in writers:
            await writer.ask("warm", turn=self._size // 2)
        for number in range(self._plan.rounds):
            self._say(f"append, round {number + 1} of {self._plan.rounds}")
            first, count = _share(self._plan.turns, self._plan.rounds, number)
            for writer in _rotated(writers, number):
                answer = await writer.ask("turns", first=self._size // 2 + 1 + first, count=count)
                self._records[writer.entry.name].turns += answer["samples"]
        for writer in writers:
            await self._finish(writer)

    async def _finish(self, writer: Remote) -> None:
        record = self._records[writer.entry.name]
        record.close = (await writer.ask("close"))["sample"]
        record.disk_after = await writer.ask("disk")
        first = self._size // 2 + 1 + self._plan.turns
        record.turn_operations = (await writer.ask("count_turns", first=first, count=COUNTED_TURNS))["operations"]

    @asynccontextmanager
    async def _workers(self) -> AsyncIterator[list[Remote]]:
        """A fresh process for each contestant, all of them done with their imports."""
        async with AsyncExitStack() as stack:
            workers = [await self._start(entry, stack) for entry in self._plan.entries]
            hellos = await asyncio.gather(*(worker.ask("hello") for worker in workers))
            for worker, hello in zip(workers, hellos, strict=True):
                self._records[worker.entry.name].hello = hello
            yield workers

    async def _start(self, entry: Entry, stack: AsyncExitStack) -> Remote:
        folder, home = self.folder / entry.name, self.folder / "home"
        folder.mkdir(parents=True, exist_ok=True)
        home.mkdir(exist_ok=True)
        worker = await Remote.start(entry, self._plan.interpreters.of(entry), folder, home)
        stack.push_async_callback(worker.stop)
        return worker


def _rotated(workers: Sequence[Remote], by: int) -> list[Remote]:
    """The same workers, another one first in each round: nobody always runs behind the same rival."""
    start = by % len(workers)
    return [*workers[start:], *workers[:start]]


def _share(turns: int, rounds: int, number: int) -> tuple[int, int]:
    """The first turn and the number of turns of round `number`, the rounds as even as they can be."""
    first, end = turns * number // rounds, turns * (number + 1) // rounds
    return first, end - first
