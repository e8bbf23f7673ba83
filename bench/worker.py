"""One contestant in one process: takes commands as JSON lines on stdin, answers each on stdout."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from bench.contest import ENTRIES, Contestant, Entry, History
from bench.measure import disk, io_counted, measure
from bench.operations import OPERATIONS
from bench.workload import Workload

Answer = dict[str, Any]


class Worker:
    """Holds the warm contestant between commands. One method per command; its answer goes back as JSON."""

    def __init__(self, entry: Entry, folder: Path) -> None:
        self._entry = entry
        self._folder = folder
        self._workload = Workload()
        self._made: Callable[[], Contestant]
        self._warm: Contestant

    async def hello(self) -> Answer:
        """Import the contestant; how long that took, and what it runs on."""
        started = time.perf_counter_ns()
        self._made = self._entry.load()
        return {
            "import_ms": (time.perf_counter_ns() - started) / 1e6,
            "versions": {package: version(package) for package in self._entry.packages},
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "io_counted": io_counted(),
        }

    async def seed(self, turns: int) -> Answer:
        """Fill a new session with the first `turns` turns."""
        contestant = self._made()
        started = time.perf_counter()
        await contestant.open(self._folder)
        await contestant.seed(self._workload.turns(0, turns))
        await contestant.close()
        return {"seconds": time.perf_counter() - started}

    async def warm(self, turn: int) -> Answer:
        """Open the contestant that `turns` uses, and append the turn of this index, unmeasured."""
        self._warm = self._made()
        await self._warm.open(self._folder)
        warming = self._workload.turn(turn)
        await self._warm.append_turn(warming.user, warming.assistant)
        return {}

    async def turns(self, first: int, count: int) -> Answer:
        """Append `count` turns from index `first`, each measured by itself."""
        samples = []
        for turn in self._workload.turns(first, count):
            _, sample = await measure(partial(self._warm.append_turn, turn.user, turn.assistant))
            samples.append(asdict(sample))
        return {"samples": samples}

    async def close(self) -> Answer:
        """Close the warm contestant: a store may put off writing until then (SQLite's checkpoint)."""
        _, sample = await measure(self._warm.close)
        return {"sample": asdict(sample)}

    async def disk(self) -> Answer:
        """The folder's size now."""
        return asdict(disk(self._folder))

    async def resume(self) -> Answer:
        """Open a new contestant and bring the conversation back, measured as one piece; then again without opening."""
        contestant = self._made()
        gc.collect()  # what the resume before this one left behind is not this one's to clear
        started = time.perf_counter_ns()
        (history, opened), sample = await measure(lambda: self._come_back(contestant))
        stages = dict(getattr(contestant, "stages", {}))
        await contestant.forget()
        gc.collect()
        again, without = await measure(contestant.resume)
        await contestant.close()
        if again != history:
            raise AssertionError(f"resumed {again}, and {history} the first time")
        whole = {**asdict(sample), "open_nanoseconds": opened - started, "stages": stages, "again": asdict(without)}
        return {"sample": whole, **asdict(history)}

    async def count_resume(self) -> Answer:
        """The operations of one resume. Not timed: counting slows them down."""
        contestant = self._made()
        OPERATIONS.start(self._folder)
        await self._come_back(contestant)
        operations = OPERATIONS.take()
        await contestant.close()
        return {"operations": operations}

    async def count_turns(self, first: int, count: int) -> Answer:
        """The operations of `count` turns, in sum, after the turn `first` that warms the handle. Not timed."""
        turns = self._workload.turns(first + 1, count)
        OPERATIONS.start(self._folder)
        await self.warm(first)
        OPERATIONS.take()
        for turn in turns:
            await self._warm.append_turn(turn.user, turn.assistant)
        operations = OPERATIONS.take()
        await self._warm.close()
        return {"operations": operations}

    async def _come_back(self, contestant: Contestant) -> tuple[History, int]:
        """The history, and the moment at which the store was open."""
        await contestant.open(self._folder)
        opened = time.perf_counter_ns()
        return await contestant.resume(), opened


async def serve(worker: Worker, answers: TextIO) -> None:
    """Answer commands until stdin ends. A command that fails ends the process, its traceback on stderr."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        work: Callable[..., Awaitable[Answer]] = getattr(worker, command.pop("do"))
        answers.write(json.dumps(await work(**command)) + "\n")
        answers.flush()


def main(arguments: list[str]) -> None:
    """`python -m bench.worker NAME FOLDER`."""
    name, folder = arguments
    entry = next(entry for entry in ENTRIES if entry.name == name)
    # What a library prints must not land among the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    asyncio.run(serve(Worker(entry, Path(folder)), answers))


if __name__ == "__main__":
    main(sys.argv[1:])
