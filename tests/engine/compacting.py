"""The instant agent with a memory that is compacted: the lines of the CLI, and all that it ever wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outlive.testing.instant_agent import InstantAgent

COMPACT = "compact"
OUTPUTS = "tool-results"


@dataclass
class CompactingAgent(InstantAgent):
    """Told `compact`, it opens a new window that keeps the message itself; `large NAME` leaves a side file."""

    written: dict[str, bytes] = field(default_factory=dict)
    """Transcript -> every line that a turn added to it."""
    found: list[int] = field(default_factory=list)
    """Bytes of the transcript that each turn found on disk."""

    async def run(self, turn):
        """As the instant agent."""
        path = turn.root / "config/projects/session" / f"{turn.agent_session_id}.jsonl"
        self.found.append(path.stat().st_size if path.exists() else 0)
        async for event in super().run(turn):
            yield event

    def _append(self, path: Path, entries: list[dict[str, Any]], kind: str, text: str) -> None:
        size = path.stat().st_size if path.exists() else 0
        if kind == "assistant" and text.endswith(COMPACT):
            self._compact(path, entries)
        if kind == "assistant" and ": large " in text:
            self._leave(path, text.rpartition(" ")[2])
        super()._append(path, entries, kind, text)
        self._note_written(path, size)

    def _note(self, path: Path) -> None:
        size = path.stat().st_size
        super()._note(path)
        self._note_written(path, size)

    def _note_written(self, path: Path, size: int) -> None:
        self.written[path.stem] = self.written.get(path.stem, b"") + path.read_bytes()[size:]

    def _compact(self, path: Path, entries: list[dict[str, Any]]) -> None:
        kept = [entries[-1]["uuid"]]
        boundary = {
            "parentUuid": None,
            "logicalParentUuid": entries[-1]["uuid"],
            "type": "system",
            "subtype": "compact_boundary",
            "compactMetadata": {"trigger": "manual", "preservedMessages": {"allUuids": kept}},
            "uuid": self.new_uuid(),
        }
        with path.open("a") as file:
            file.write(json.dumps(boundary, separators=(",", ":")) + "\n")
        entries.append(boundary)
        InstantAgent._append(self, path, entries, "user", "what was said before, in short")
        entries[-1]["type"] = "summary"

    def _leave(self, path: Path, name: str) -> None:
        folder = path.with_suffix("") / OUTPUTS
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.txt").write_text(name * 2000)
