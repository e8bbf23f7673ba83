"""Whether what a turn said is on disk: a CLI that cannot write its transcript answers as if nothing had happened."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

from outlive.agents.transcript import transcript_path
from outlive.errors import AgentFailed

TAIL_BYTES = 1 << 16
"""How much of a transcript's end is looked at first; an answer and what follows it are seldom larger."""
LOOKS, PAUSE_SECONDS = 40, 0.05
"""A CLI that is still alive may write its last lines a moment after its result."""


async def check_kept(root: Path, agent_session_id: str, entry: str | None) -> None:
    """`AgentFailed` unless the transcript ends in a whole line and has this entry; None looks at the line only."""
    path = transcript_path(root, agent_session_id)
    for look in range(LOOKS):
        if look:
            await asyncio.sleep(PAUSE_SECONDS)
        if not (missing := await asyncio.to_thread(_missing, path, entry)):
            return
    raise AgentFailed(
        f"the turn could not be written to disk: {missing}, and {shutil.disk_usage(root).free:,} bytes are free.",
        fix=f"Free or enlarge the disk of {root.parent}; the message is tried again.",
    )


def _missing(path: Path, entry: str | None) -> str:
    """What is not there; empty when all is."""
    try:
        tail, size = _tail(path)
        is_kept = tail.endswith(b"\n") and (entry is None or _holds(tail, entry) or _holds(path.read_bytes(), entry))
    except OSError as error:
        return f"its transcript cannot be read ({error.strerror})"
    return "" if is_kept else f"its transcript ({size:,} bytes) lacks the answer"


def _tail(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - TAIL_BYTES, 0))
        return file.read(), size


def _holds(lines: bytes, entry: str) -> bool:
    return f'"uuid":{json.dumps(entry)}'.encode() in lines
