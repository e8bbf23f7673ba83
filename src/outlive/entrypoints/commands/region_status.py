"""`outlive region status`: what is at home where, and how far the copies are."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_table, say

if TYPE_CHECKING:
    from outlive.flows.regions.pair import RegionPair
    from outlive.flows.regions.region_status import RegionStatus


def region_status(*, json: options.Json = False) -> int:
    """Show both regions: which answers, what is at home there, what its copies lack.

    Changes nothing. Exits 1 when a region does not answer, goes on alone, or lost turns.
    """
    from outlive.entrypoints.moving_regions import at_regions

    status = at_regions(_status)
    if json:
        print_json(asdict(status))
    else:
        columns = ("region", "answers", "epoch", "alone", "at home", "copies", "taken over", "lost turns")
        rows = [
            (r.name, _yes(r.answers), r.epoch, _yes(r.alone), r.at_home, r.copies, r.taken, r.lost_turns)
            for r in status.regions
        ]
        print_table(columns, rows, empty="")
        say(f"replication: {status.replication}; this is {status.own}")
        say(f"copies behind: {status.behind} records, the oldest session since {status.behind_seconds:.0f} s")
    is_well = all(line.answers and not line.alone and not line.lost_turns for line in status.regions)
    return 0 if is_well and not status.is_moving else 1


def _yes(value: bool) -> str:  # noqa: FBT001 - a cell
    return "yes" if value else "no"


async def _status(pair: RegionPair, _: str | None) -> RegionStatus:
    from outlive.flows.regions.region_status import region_status

    return await region_status(pair)
