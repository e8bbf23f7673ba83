"""The compaction table: the rule of `core/compaction.py` run over many equal turns, beside the best there can be."""

from __future__ import annotations

from math import comb
from pathlib import Path

from outlive.core.compaction import LivePack, packs_to_absorb
from outlive.core.packs import PackName

LIMITS = (3, 4, 8, 16, 32)
LENGTHS = (10, 100, 1000, 10_000)
TURN_BYTES = 4096


def compaction(_root: Path, _page: Path) -> str:
    """Bytes written per byte added, by `max_packs` and number of turns: measured, and the least possible."""
    heads = " | ".join(f"{turns:,} turns" for turns in LENGTHS)
    rows = [f"| `max_packs` | {heads} |", "|---|" + "---|" * len(LENGTHS)]
    for limit in LIMITS:
        measured = amplification(limit, LENGTHS)
        cells = [f"{measured[turns]:.1f} ({least(limit, turns):.1f})" for turns in LENGTHS]
        rows.append(f"| {limit} | " + " | ".join(cells) + " |")
    enough = " | ".join(str(packs_for(2.0, turns)) for turns in LENGTHS)
    rows.append(f"| least that allows 2.0 | {enough} |")
    return "\n".join(rows)


def amplification(limit: int, lengths: tuple[int, ...]) -> dict[int, float]:
    """Bytes written so far per byte added, after each of these numbers of turns; no byte is lost or compressed."""
    packs: list[LivePack] = []
    written = 0
    found: dict[int, float] = {}
    for turn in range(1, max(lengths) + 1):
        gone = packs_to_absorb(packs, TURN_BYTES, limit=limit)
        size = TURN_BYTES + sum(pack.size for pack in packs if pack.name in gone)
        packs = [pack for pack in packs if pack.name not in gone]
        packs.append(LivePack(PackName(str(turn)), size, size, size))
        written += size
        if turn in lengths:
            found[turn] = written / TURN_BYTES / turn
    return found


def least(limit: int, turns: int) -> float:
    """The least that any schedule writes per byte added, when all turns are equal.

    With at most `limit` packs, `comb(limit + r, r + 1)` of the turns can be had at a marginal cost of `r + 1` writes
    (for one pack: 1, 2, 3, …, which adds up to rewriting everything each time).
    """
    left, total, writes = turns, 0, 0
    while left:
        step = min(left, comb(limit + writes, writes + 1))
        writes += 1
        total += writes * step
        left -= step
    return total / turns


def packs_for(share: float, turns: int) -> int:
    """The smallest number of live packs with which any schedule could stay within `share` writes per byte."""
    return next(limit for limit in range(1, turns + 1) if least(limit, turns) <= share)
