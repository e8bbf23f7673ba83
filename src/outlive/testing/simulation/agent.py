"""The simulated agent: the CLI's files, line by line, with steps that take time and can be cut off anywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from random import Random
from typing import Any

from outlive.errors import NotFound
from outlive.protocols import AgentEvent, AgentTurn, Clock, SessionSeen, TextPart, ToolFinished, ToolStarted, TurnDone
from outlive.testing.simulation.disks import Tree
from outlive.testing.simulation.monitor import Monitor, answer_to
from outlive.testing.simulation.processes import Process

TRANSCRIPTS = "config/projects/session/"
NOTES = "work/notes.txt"
"""A file that every turn writes anew: all messages so far."""


class SimulatedAgent:
    """Implements `protocols.Agent` for one process."""

    def __init__(self, process: Process, monitor: Monitor, clock: Clock, random: Random, *, loses_lines: bool) -> None:
        """`loses_lines`: now and then a line never reaches the disk, as when a write is torn."""
        self._process, self._monitor, self._clock, self._random = process, monitor, clock, random
        self._loses_lines = loses_lines

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        """Answer the prompt, or the last prompt of the transcript that has no answer."""
        tree = self._process.disk.at(turn.root)
        session_id = turn.agent_session_id or f"{self._random.getrandbits(64):016x}"
        path = f"{TRANSCRIPTS}{session_id}.jsonl"
        entries = read_entries(tree, path)
        self._check_tenant(tree)
        if turn.prompt is not None:
            await self._say(tree, path, entries, "user", turn.prompt)
        elif not prompts_in(entries) or entries[-1]["type"] == "assistant":
            raise NotFound("there is no interrupted turn to continue.")
        yield SessionSeen(session_id)
        key, message_id, *_ = prompts_in(entries)[-1].split(" ")
        if not self._loses_lines:  # the prompt itself may be missing, and then this is another one
            self._monitor.agent_started(self._process, turn.root.parts[3], (key, message_id))
        for number in range(self._random.choice((0, 0, 1, 2))):
            async for event in self._use_tool(tree, path, entries, f"{message_id}-{number}"):
                yield event
        await self._write_notes(tree, entries)
        reply = answer_to(key, message_id)
        await self._say(tree, path, entries, "assistant", reply)
        yield TextPart(reply)
        yield TurnDone(reply, session_id)

    async def keep(self, root: Path, tree: str) -> None:
        """Nothing rests."""

    async def drop(self, root: Path, *, unless: str | None = None) -> None:
        """Nothing rests."""

    async def interrupt(self, root: Path) -> bool:  # noqa: ARG002 - the protocol's argument
        """It cannot be interrupted."""
        return False

    async def steer(self, root: Path, text: str) -> bool:  # noqa: ARG002 - the protocol's arguments
        """It takes no further word."""
        return False

    async def close(self) -> None:
        """Nothing to end."""

    async def _use_tool(
        self, tree: Tree, path: str, entries: list[dict[str, Any]], name: str
    ) -> AsyncGenerator[AgentEvent, None]:
        yield ToolStarted(name, "Write", name)
        await self._say(tree, path, entries, "tool", name)
        await self._clock.sleep(self._random.random() ** 4 * 60)
        tree.put(f"work/{name}.txt", name.encode())
        yield ToolFinished(name, is_error=False)

    async def _write_notes(self, tree: Tree, entries: list[dict[str, Any]]) -> None:
        told = "\n".join(prompts_in(entries)).encode()
        for part in (told[: len(told) // 2], told):
            tree.put(NOTES, part)
            await asyncio.sleep(0)

    async def _say(self, tree: Tree, path: str, entries: list[dict[str, Any]], kind: str, text: str) -> None:
        """Add a line, in two writes."""
        entry = {
            "parentUuid": entries[-1]["uuid"] if entries else None,
            "type": kind,
            "message": {"role": kind, "content": text},
            "uuid": f"{self._random.getrandbits(64):016x}",
        }
        entries.append(entry)
        if self._loses_lines and kind != "assistant" and self._random.random() < 0.1:
            return  # what builds on it is written, so there is a hole
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        half = len(line) // 2
        tree.add(path, line[:half])
        await asyncio.sleep(0)
        tree.add(path, line[half:])

    def _check_tenant(self, tree: Tree) -> None:
        """Nothing in the tree may come from another tenant."""
        tenant = tree.root.parts[2]
        for path, file in tree.files.items():
            for other in {"acme", "umbra"} - {tenant}:
                if f"{other}:chat:".encode() in file.data:
                    self._monitor.fail("another tenant's bytes", f"{path} of {tree.root} tells of {other}")


def read_entries(tree: Tree, path: str) -> list[dict[str, Any]]:
    """The entries of a transcript on disk; a line that was cut off counts as not written, as the CLI has it."""
    file = tree.files.get(path)
    return entries_in(file.data) if file else []


def entries_in(data: bytes) -> list[dict[str, Any]]:
    """The entries in these lines."""
    found = []
    for line in data.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def prompts_in(entries: list[dict[str, Any]]) -> list[str]:
    """What was asked, in order."""
    return [entry["message"]["content"] for entry in entries if entry["type"] == "user"]
