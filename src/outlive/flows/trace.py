"""The trace of one turn: named steps with their times, and what they found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from outlive.flows.retry import counted_retries
from outlive.flows.telemetry import Telemetry


@dataclass(slots=True)
class Step:
    """One step of the pipeline."""

    name: str
    began: float = 0.0
    """On a clock of this process alone."""
    seconds: float = 0.0
    found: str = ""


@dataclass(slots=True)
class Trace:
    """The steps of one turn, in order."""

    steps: list[Step] = field(default_factory=list)
    telemetry: Telemetry = field(default_factory=Telemetry, compare=False, repr=False)
    """Where each step is a span."""

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time the block as a step; the block may say in `found` what it met."""
        step = Step(name, began=time.perf_counter())
        self.steps.append(step)
        try:
            with self.telemetry.span(name), counted_retries() as retries:
                yield step
        finally:
            step.seconds = time.perf_counter() - step.began
            step.found = "; ".join(part for part in (step.found, str(retries)) if part)
