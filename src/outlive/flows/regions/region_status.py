"""How the regions stand: what is at home where, how far the copies are, and what was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from outlive.core.regions import LOST, TAKEN, copied_version, decode_lost, is_head, mark
from outlive.core.sessions import decode_head
from outlive.flows.list_all import scan_all
from outlive.flows.regions.copy_region import homed_rows
from outlive.flows.regions.pair import RegionPair
from outlive.protocols import Row


@dataclass(frozen=True, slots=True)
class RegionLine:
    """One region."""

    name: str
    answers: bool
    epoch: int = 0
    alone: bool = False
    at_home: int = 0
    """Sessions whose writes go there."""
    copies: int = 0
    """Copies of sessions that are at home in the other region."""
    taken: int = 0
    """Heads and mappings that it took over and has not given back."""
    lost_sessions: int = 0
    lost_turns: int = 0
    """What was kept aside there at a fail-back; the first 64 messages back of each session are told apart."""


@dataclass(frozen=True, slots=True)
class RegionStatus:
    """Both regions, this one first."""

    own: str
    replication: str
    window_seconds: float
    regions: tuple[RegionLine, ...]
    behind: int
    """Records whose copy is older or missing; unknown, and 0, while one of the regions does not answer."""
    behind_seconds: float
    """How long ago the oldest of these sessions had its last turn."""
    is_moving: int
    """Records that are a copy in both regions: a fail-over was interrupted, and has to be run again."""


async def region_status(pair: RegionPair) -> RegionStatus:
    """Look at both tables; a region that does not answer is told as such."""
    found: dict[str, Mapping[str, Row]] = {}
    lines = []
    for name in (pair.regions.own, pair.regions.other):
        if not await pair.reaches(name):
            lines.append(RegionLine(name, answers=False))
            continue
        found[name] = await homed_rows(pair, name)
        lines.append(await _line(pair, name, found[name]))
    late = _behind(found) if len(found) == 2 else []
    now = pair.clock.now()
    ages = [now - decode_head(row.body, row.key).updated_at for row in late if is_head(row.key)]
    return RegionStatus(
        pair.regions.own,
        pair.replication.value,
        pair.window_seconds,
        tuple(lines),
        behind=len(late),
        behind_seconds=round(max(ages, default=0.0), 1),
        is_moving=_moving(found) if len(found) == 2 else 0,
    )


async def _line(pair: RegionPair, name: str, rows: Mapping[str, Row]) -> RegionLine:
    control, table = await pair.control(name), pair.tables[name]
    heads = [row for row in rows.values() if is_head(row.key)]
    lost = [decode_lost(row.body, row.key) for row in await scan_all(table, LOST, pair.clock)]
    at_home = sum(copied_version(row) is None for row in heads)
    taken = len(await scan_all(table, TAKEN, pair.clock))
    turns = sum(each.turns for each in lost)
    copies = len(heads) - at_home
    return RegionLine(
        name,
        answers=True,
        epoch=control.epoch,
        alone=control.alone,
        at_home=at_home,
        copies=copies,
        taken=taken,
        lost_sessions=len(lost),
        lost_turns=turns,
    )


def _behind(found: Mapping[str, Mapping[str, Row]]) -> list[Row]:
    """Records at home somewhere whose copy has another body; a lease that was taken meanwhile changes none."""
    here, there = found.values()
    late = []
    for mine, theirs in ((here, there), (there, here)):
        for key, row in mine.items():
            copy = theirs.get(key)
            if copied_version(row) is None and (copy is None or (copy.body != row.body and mark(copy) < mark(row))):
                late.append(row)
    return late


def _moving(found: Mapping[str, Mapping[str, Row]]) -> int:
    here, there = found.values()
    both = here.keys() & there.keys()
    return sum(copied_version(here[key]) is not None and copied_version(there[key]) is not None for key in both)
