"""Many histories: run in several processes, counted, and the ones that fail shrunk."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial

from outlive.testing.simulation.histories import History, run_history
from outlive.testing.simulation.scenarios import Scenario, make_scenario

BATCH = 50


@dataclass(slots=True)
class Figures:
    """What a campaign did."""

    histories: int = 0
    steps: int = 0
    calls: int = 0
    turns: int = 0
    model_calls: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[int, str, str]] = field(default_factory=list)
    """Seed, check and detail of every violation."""

    def add(self, history: History) -> None:
        """Count one more."""
        self.histories += 1
        self.steps += history.steps
        self.calls += history.calls
        self.turns += history.turns
        self.model_calls += history.model_calls
        self.faults += history.faults
        if history.violation:
            self.failed.append((history.scenario.seed, history.violation.check, history.violation.detail))

    def as_document(self) -> dict[str, object]:
        """For JSON; `asdict` alone would make a Counter count its own pairs."""
        return asdict(replace(self, faults=Counter())) | {"faults": dict(self.faults)}

    def join(self, other: Figures) -> None:
        """Count another campaign's."""
        self.histories += other.histories
        self.steps += other.steps
        self.calls += other.calls
        self.turns += other.turns
        self.model_calls += other.model_calls
        self.faults += other.faults
        self.failed += other.failed


OnProgress = Callable[[Figures], None]
Make = Callable[[int], Scenario]


def run_campaign(
    seeds: Sequence[int], *, jobs: int = 1, on_progress: OnProgress | None = None, make: Make = make_scenario
) -> Figures:
    """Run the history of every seed, which `make` makes; `jobs` processes share the work."""
    total, began = Figures(), time.perf_counter()
    for part in _parts(seeds, jobs, make):
        total.join(part)
        total.seconds = time.perf_counter() - began
        if on_progress is not None:
            on_progress(total)
    total.failed.sort()
    return total


def _parts(seeds: Sequence[int], jobs: int, make: Make) -> Iterator[Figures]:
    batches = [seeds[start : start + BATCH] for start in range(0, len(seeds), BATCH)]
    if jobs <= 1:
        yield from map(partial(_run_batch, make), batches)
        return
    # A fresh interpreter for each: what one has loaded or patched is nobody else's.
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(partial(_run_batch, make), batches)


def _run_batch(make: Make, seeds: Sequence[int]) -> Figures:
    figures = Figures()
    for seed in seeds:
        figures.add(run_history(make(seed)))
    return figures


def table(figures: Figures) -> str:
    """The figures, for people."""
    rate = figures.histories / figures.seconds if figures.seconds else 0.0
    lines = [
        f"{'histories':24}{figures.histories:>14,}   {rate:,.0f} per second, {figures.seconds:,.0f} s in all",
        f"{'scheduler steps':24}{figures.steps:>14,}",
        f"{'awaited calls':24}{figures.calls:>14,}",
        f"{'turns committed':24}{figures.turns:>14,}",
        f"{'model calls':24}{figures.model_calls:>14,}",
        *(f"{'  ' + kind:24}{count:>14,}" for kind, count in sorted(figures.faults.items())),
        f"{'violations':24}{len(figures.failed):>14,}",
    ]
    return "\n".join(lines)
