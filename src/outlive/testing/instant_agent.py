"""An agent that answers at once, for tests and benchmarks of the engine: no model, no CLI, but the CLI's files.

It writes a transcript in the CLI's shape (entries with `uuid` and `parentUuid`, one entry without), and does what
simple messages ask: `write PATH: TEXT` writes a file in the working directory, `delete PATH` removes one.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from outlive.protocols import (
    AgentEvent,
    AgentTurn,
    SessionSeen,
    TextPart,
    ToolFinished,
    ToolStarted,
    TurnDone,
    Usage,
)

TRANSCRIPTS = Path("config/projects/session")
SHORT = 2048
"""Lines below this many characters are parsed once: a session of 1,000 turns would parse each of them 1,000 times."""
_short: Callable[[str], dict[str, Any]] = lru_cache(maxsize=4096)(json.loads)


@dataclass
class InstantAgent:
    """Implements `protocols.Agent` in the calling process."""

    new_uuid: Callable[[], str] = lambda: str(uuid4())
    runs: list[AgentTurn] = field(default_factory=list)
    """Every turn it was asked to run: what a model would have been paid for."""

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        """Answer the prompt, or the last prompt of the transcript that has no answer."""
        self.runs.append(turn)
        session_id = turn.agent_session_id or self.new_uuid()
        path = turn.root / TRANSCRIPTS / f"{session_id}.jsonl"
        entries = _read(path)
        if turn.prompt is not None:
            self._append(path, entries, "user", turn.prompt)
        yield SessionSeen(session_id)
        if turn.prompt is not None:
            yield TextPart("…")
        prompt = next(e["message"]["content"] for e in reversed(entries) if e["type"] == "user")
        if not _answered(entries):
            for event in self._obey(turn.root / "work", prompt):
                yield event
            count = sum(entry["type"] == "user" for entry in entries)
            self._append(path, entries, "assistant", f"Message {count}: {prompt}")
            self._note(path)
        reply = entries[-1]["message"]["content"]
        yield TextPart(reply)
        yield TurnDone(reply, session_id, Usage(0.001, len(prompt), len(reply), agent_turns=1))

    async def keep(self, root: Path, tree: str) -> None:
        """Nothing rests."""

    async def drop(self, root: Path, *, unless: str | None = None) -> None:
        """Nothing rests."""

    async def interrupt(self, root: Path) -> bool:  # noqa: ARG002 - the protocol's argument
        """Nothing runs long enough to be interrupted."""
        return False

    async def steer(self, root: Path, text: str) -> bool:  # noqa: ARG002 - the protocol's arguments
        """It has answered before anybody can add a word."""
        return False

    async def close(self) -> None:
        """Nothing to end."""

    def _append(self, path: Path, entries: list[dict[str, Any]], kind: str, text: str) -> None:
        entry = {
            "parentUuid": entries[-1]["uuid"] if entries else None,
            "isSidechain": False,
            "type": kind,
            "message": {"role": kind, "content": text},
            "uuid": self.new_uuid(),
            "sessionId": path.stem,
        }
        _write_line(path, entry)
        entries.append(entry)

    def _note(self, path: Path) -> None:
        _write_line(path, {"type": "last-prompt", "sessionId": path.stem})

    def _obey(self, work: Path, prompt: str) -> list[AgentEvent]:
        verb, _, rest = prompt.partition(" ")
        name, _, text = rest.partition(": ")
        match verb:
            case "write":
                (work / name).parent.mkdir(parents=True, exist_ok=True)
                (work / name).write_text(text)
            case "delete":
                (work / name).unlink()
            case _:
                return []
        return [ToolStarted("tool_1", verb.title(), name), ToolFinished("tool_1", is_error=False)]


def _read(path: Path) -> list[dict[str, Any]]:
    """The entries of the conversation so far; those without uuid are left out."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    entries = [_short(line) if len(line) < SHORT else json.loads(line) for line in lines]
    return [entry for entry in entries if "uuid" in entry]


def _answered(entries: list[dict[str, Any]]) -> bool:
    return bool(entries) and entries[-1]["type"] == "assistant"


def _write_line(path: Path, entry: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(entry, separators=(",", ":")) + "\n")
