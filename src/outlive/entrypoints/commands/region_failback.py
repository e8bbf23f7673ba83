"""`outlive region failback`: the region that was away is brought up to date, and given back what was its own."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_fields, print_json, say

if TYPE_CHECKING:
    from outlive.flows.regions.give_back import GivenBack
    from outlive.flows.regions.pair import RegionPair
    from outlive.flows.regions.region_status import RegionStatus


def region_failback(
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it; without, only say what would happen.")] = False,
    copy_only: Annotated[
        bool, typer.Option("--copy-only", help="Bring it up to date, and keep the homes here.")
    ] = False,
    json: options.Json = False,
) -> int:
    """Bring the other region up to date, and give back what was taken over from it.

    Run it in the region that took over. The other one's workers may run: what they still believe in is fenced. Turns
    that only it had are counted and kept aside there. Exits 1 when something was lost or left.
    """
    from outlive.entrypoints.moving_regions import at_regions

    status, done = at_regions(lambda pair, _: _run(pair, yes=yes, homes=not copy_only))
    own = status.regions[0]
    if json:
        print_json({"status": asdict(status), "done": done and asdict(done)})
    elif done is None:
        print_fields(
            {"records behind": status.behind, "heads and mappings to give back": 0 if copy_only else own.taken}
        )
        say("nothing was changed; --yes does it")
    else:
        _tell(done)
    return 1 if done and (done.lost_turns or done.left) else 0


def _tell(done: GivenBack) -> None:
    print_fields(
        {
            "records brought up to date": done.copied,
            "objects copied": done.objects_copied,
            "erased there, too": done.erased,
            "sessions given back": done.returned,
            "turns that only it had": done.lost_turns,
        }
    )
    for key in done.lost_sessions:
        say(f"kept aside: {key}")
    for key in done.left:
        say(f"left: {key}")


async def _run(pair: RegionPair, *, yes: bool, homes: bool) -> tuple[RegionStatus, GivenBack | None]:
    from outlive.flows.regions.give_back import give_back
    from outlive.flows.regions.region_status import region_status

    return await region_status(pair), await give_back(pair, homes=homes) if yes else None
