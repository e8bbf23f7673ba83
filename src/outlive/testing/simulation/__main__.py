"""`python -m outlive.testing.simulation`: histories by the thousand, one history again, or the proof by mutations."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from random import SystemRandom

from outlive.testing.simulation.campaigns import Figures, run_campaign, table
from outlive.testing.simulation.histories import run_history
from outlive.testing.simulation.mutations import MUTATIONS, Caught, hunt
from outlive.testing.simulation.scenarios import Scenario, make_controlled, make_late_creations, make_scenario
from outlive.testing.simulation.shrink import shrink

SHOWN = 3
"""Failing seeds that are shrunk and shown at most."""


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 when no promise was broken (or every mutation was caught), 1 otherwise."""
    given = _parser().parse_args(arguments)
    make = make_late_creations if given.late_creations else make_controlled if given.controls else make_scenario
    if given.replay is not None:
        return _replay(make(given.replay))
    if given.mutations:
        return _mutations(given.seeds)
    start = SystemRandom().randrange(1 << 40) if given.fresh else given.start
    seeds = range(start, start + given.seeds)
    figures = run_campaign(seeds, jobs=given.jobs, on_progress=_Progress(given.seeds), make=make)
    _say(f"\nseeds {start} to {start + given.seeds - 1}\n{table(figures)}")
    if given.json:
        with open(given.json, "w") as file:
            json.dump(figures.as_document(), file, indent=1)
    for seed, check, _ in figures.failed[:SHOWN]:
        _say(f"\nseed {seed} breaks: {check}\n{_shrunk(make(seed))}")
    return 1 if figures.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m outlive.testing.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many histories")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--fresh", action="store_true", help="begin at a seed nobody has chosen")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--json", help="write the figures to this file, too")
    parser.add_argument("--replay", type=int, metavar="SEED", help="run one history again and print all that happens")
    parser.add_argument(
        "--late-creations", action="store_true", help="first writes of sessions are late, and erases soon"
    )
    parser.add_argument("--controls", action="store_true", help="with approvals, limits of money and the kill switch")
    parser.add_argument("--mutations", action="store_true", help="prove that each deliberate fault is found")
    return parser


class _Progress:
    """A line every few seconds."""

    def __init__(self, seeds: int) -> None:
        self._seeds, self._last = seeds, time.monotonic()
        self._told = 0

    def __call__(self, figures: Figures) -> None:
        for seed, check, detail in figures.failed[self._told :]:
            _say(f"seed {seed} breaks: {check}: {detail}")
        self._told = len(figures.failed)
        if time.monotonic() - self._last > 5:
            self._last = time.monotonic()
            rate = figures.histories / figures.seconds
            failed = f", {len(figures.failed)} violations" if figures.failed else ""
            _say(f"{figures.histories:>9,} of {self._seeds:,} histories, {rate:,.0f} per second{failed}")


def _replay(scenario: Scenario) -> int:
    history = run_history(scenario, with_log=True)
    _say("\n".join(history.log or []))
    _say(f"\n{history.scenario}\ntrace {history.trace}\n{history.violation or 'no violation'}")
    return 1 if history.violation else 0


def _shrunk(scenario: Scenario) -> str:
    smallest = shrink(run_history(scenario))
    told = run_history(smallest.scenario, with_log=True)
    return "\n".join([*(told.log or [])[-60:], str(told.scenario), str(told.violation)])


def _mutations(seeds: int) -> int:
    found = [_told(hunt(mutation, [*range(seeds), mutation.known])) for mutation in MUTATIONS]
    missed = [each.mutation for each in found if not each.check]
    _say(f"\n{len(found) - len(missed)} of {len(found)} caught")
    return 1 if missed else 0


def _told(caught: Caught) -> Caught:
    by = f"{caught.check} (seed {caught.seed})" if caught.check else "NOT FOUND"
    _say(f"| {caught.mutation} | {by} | {caught.seeds} |")
    return caught


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
