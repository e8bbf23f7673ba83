"""`outlive region failover`: this region becomes the home of one session, or of all."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from outlive.core.wording import counted
from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_fields, print_json, say

if TYPE_CHECKING:
    from outlive.flows.regions.pair import RegionPair
    from outlive.flows.regions.take_over import Plan, TakenOver


def region_failover(
    session: options.SomeSession = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it; without, only say what would happen.")] = False,
    json: options.Json = False,
) -> int:
    """Take over from the other region, one session or all of them.

    Run it in the region that is to be the home. Without --yes it says what would pass and what may be lost, and changes
    nothing. Exits 1 when something was left; run it again then.
    """
    from outlive.entrypoints.moving_regions import at_regions

    plan, done = at_regions(lambda pair, key: _run(pair, key, yes=yes), session)
    _show(plan, done, json=json)
    return 1 if done and done.left else 0


async def _run(pair: RegionPair, key: str | None, *, yes: bool) -> tuple[Plan, TakenOver | None]:
    from outlive.flows.regions.take_over import plan_take_over, take_over

    plan = await plan_take_over(pair, key)
    return plan, await take_over(pair, plan, everything=key is None) if yes else None


def _show(plan: Plan, done: TakenOver | None, *, json: bool) -> None:
    from outlive.entrypoints.moving_regions import plan_fields

    if json:
        print_json({"plan": asdict(plan) | {"sessions": plan.sessions}, "done": done and asdict(done)})
        return
    print_fields(plan_fields(plan))
    if done is None:
        say("nothing was changed; --yes does it")
        return
    copied = counted(done.objects_copied, "object")
    say(f"taken over: {counted(done.sessions, 'session')} in epoch {done.epoch}, {copied} copied")
    for key in done.left:
        say(f"left: {key}")
