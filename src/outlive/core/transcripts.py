"""What the engine reads in an agent's transcript: whether the chain of entries has a hole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from outlive.errors import Corrupt

TRANSCRIPTS = "config/projects/"


def entries_of(content: bytes) -> Iterator[dict[str, Any]]:
    """The entries in these lines; `Corrupt` names the line that is none."""
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Corrupt(
                f"transcript line {number} is not JSON ({error}).", fix="Rewind to an older version."
            ) from error
        if isinstance(entry, dict):
            yield entry


def unknown_parents(content: bytes) -> list[str]:
    """Every `parentUuid` in these lines that no line before it has as `uuid`, in order of appearance."""
    known: set[str] = set()
    unknown: list[str] = []
    for entry in entries_of(content):
        parent = entry.get("parentUuid")
        if isinstance(parent, str) and parent not in known:
            unknown.append(parent)
        if isinstance(uuid := entry.get("uuid"), str):
            known.add(uuid)
    return unknown


def check_chain(path: str, earlier: bytes, content: bytes) -> None:
    """`Corrupt` names the first parent of `content` that neither it nor `earlier` has.

    Only the new lines are parsed; parents they lack are looked for in the earlier bytes as text.
    """
    for parent in unknown_parents(content):
        if f'"uuid":{json.dumps(parent)}'.encode() not in earlier:
            raise Corrupt(
                f"{path} has a hole: entry {parent} is missing, and an entry after it builds on it.",
                fix="The turn was not committed; rewind to an older version if it happens again.",
            )
