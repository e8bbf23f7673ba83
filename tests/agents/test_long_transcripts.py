"""What the agent's own steps of a warm turn read of a transcript: its end, however long it is."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from outlive.agents.kept import TAIL_BYTES, check_kept
from outlive.agents.start import Start, prepare_again
from outlive.agents.transcript import noted_turn, transcript_path
from outlive.protocols import AgentTurn

SESSION = "6f1c2e34-6f0e-4b8e-9d0c-0b1f6a2f7c55"
SMALL, LARGE = 300_000, 10_000_000


@dataclass(frozen=True)
class Bare:
    """A turn's equipment without a profile."""

    def turn(self, turn: AgentTurn) -> AgentTurn:
        """As it is."""
        return turn


def bytes_read() -> int:
    """By this process so far, from whatever file."""
    return int(Path("/proc/self/io").read_text().split()[1])


async def read_of(root: Path, size: int) -> int:
    """Bytes that the agent's side of a warm turn reads beside a transcript of this size."""
    path = transcript_path(root, SESSION)
    path.parent.mkdir(parents=True)
    line = json.dumps({"type": "user", "uuid": "u", "text": "x" * 1000}, separators=(",", ":")) + "\n"
    path.write_text(line * (size // len(line)))
    turn = AgentTurn(root, "more", SESSION)
    before = bytes_read()
    prepare_again(Start(turn, Bare()), turn, 0.0)
    await check_kept(root, SESSION, "u")
    read = bytes_read() - before
    assert noted_turn(root).start == path.stat().st_size
    return read


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="the kernel counts what is read on Linux only")
@pytest.mark.promise("P11")
async def test_a_warm_turn_reads_the_end_of_its_transcript(tmp_path) -> None:
    """To begin a turn on a live CLI, and to see that it was kept, takes no more of 10 MB than of 0.3 MB."""
    few, many = await read_of(tmp_path / "few", SMALL), await read_of(tmp_path / "many", LARGE)
    assert few >= TAIL_BYTES, "nothing was counted"
    assert many <= few + TAIL_BYTES
