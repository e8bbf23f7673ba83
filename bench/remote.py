"""The parent's end of a worker process: start it, ask it, stop it."""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contest import Entry
from bench.servers import AWS
from bench.wires import SERVERS

ROOT = Path(__file__).resolve().parent.parent
ANSWER_SECONDS = 300.0
_ANSWER_BYTES = 2**24


class BenchError(Exception):
    """The benchmark cannot go on. The message names the contestant and, where there is one, the fix."""


@dataclass(frozen=True, slots=True)
class Interpreters:
    """The Python of this project, and the Python of the peers' own environment."""

    own: Path
    peers: Path

    def of(self, entry: Entry) -> Path:
        """The interpreter that runs `entry`. BenchError where it does not exist."""
        python = self.peers if entry.is_peer else self.own
        if not python.exists():
            raise BenchError(f"{entry.name}: no interpreter at {python}; `make bench` makes it")
        return python


class Remote:
    """One contestant in its own process, with a private empty home and nothing else of our environment."""

    def __init__(self, entry: Entry, process: Process) -> None:
        self.entry = entry
        self._process = process

    @classmethod
    async def start(
        cls, entry: Entry, python: Path, folder: Path, home: Path, more: Mapping[str, str] | None = None
    ) -> Remote:
        """Start a worker for `entry` on the session in `folder`. It imports nothing of the contestant yet."""
        environment = {"PATH": os.defpath, "HOME": str(home), "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
        environment |= {name: value for name, value in os.environ.items() if name in {*SERVERS, *AWS}}
        environment |= more or {}
        command = (str(python), "-m", "bench.worker", entry.name, str(folder))
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, limit=_ANSWER_BYTES, cwd=ROOT, env=environment
        )
        return cls(entry, process)

    @property
    def pid(self) -> int:
        """Of the worker process."""
        return self._process.pid

    async def ask(self, do: str, **arguments: int) -> dict[str, Any]:
        """Send one command, return its answer. BenchError where the worker failed, died or fell silent."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), ANSWER_SECONDS)
        except TimeoutError:
            raise BenchError(f"{self.entry.name}: no answer to `{do}` in {ANSWER_SECONDS:.0f} s") from None
        if not line:
            raise BenchError(f"{self.entry.name}: the worker failed at `{do}`; its own words are above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def stop(self) -> None:
        """End the worker and wait for it. Does nothing to one that has ended already."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
