"""`python -m bench startup`: how long each entry point takes to import, and how many modules that loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_PRODUCER = "outlive.entrypoints.aws_lambda.handler, outlive.entrypoints.aws_lambda.intake"
ENTRY_POINTS = {
    "CLI": "outlive.entrypoints.cli",
    "worker": "outlive.entrypoints.working",
    "AWS producer": _PRODUCER,
    "  for Telegram": f"{_PRODUCER}, outlive.entrypoints.aws_lambda.telegram",
    "  for Slack": f"{_PRODUCER}, outlive.entrypoints.aws_lambda.slack",
    "AWS agent function": "outlive.entrypoints.aws_lambda.turns",
}
_PROGRAM = """
import sys, time
before, cpu, started = len(sys.modules), time.process_time(), time.perf_counter()
import {module}
print([time.perf_counter() - started, time.process_time() - cpu, len(sys.modules) - before,
       sum(name.split(".")[0] == "outlive" for name in sys.modules)])
"""


@dataclass(frozen=True, slots=True)
class Start:
    """One entry point: medians of what importing it adds to a bare interpreter, in milliseconds and modules."""

    name: str
    module: str
    ms: float
    cpu_ms: float
    modules: int
    own: int


def measure_starts(rounds: int) -> list[Start]:
    """Every entry point in a process of its own, so many times; bytecode is compiled before."""
    for module in ENTRY_POINTS.values():
        _imported(module)
    found: dict[str, list[list[float]]] = {name: [] for name in ENTRY_POINTS}
    for _ in range(rounds):
        for name, module in ENTRY_POINTS.items():
            found[name].append(_imported(module))
    return [_start(name, runs) for name, runs in found.items()]


def _imported(module: str) -> list[float]:
    env = {"PATH": os.defpath, "HOME": "/nonexistent"}
    command = [sys.executable, "-c", _PROGRAM.format(module=module)]
    figures: list[float] = json.loads(subprocess.run(command, env=env, check=True, capture_output=True).stdout)
    return figures


def _start(name: str, runs: Sequence[Sequence[float]]) -> Start:
    ms, cpu = (median(run[column] * 1000 for run in runs) for column in (0, 1))
    return Start(name, ENTRY_POINTS[name], ms, cpu, int(runs[0][2]), int(runs[0][3]))


def table(starts: Sequence[Start]) -> str:
    """One line for each entry point."""
    head = f"{'entry point':<20} {'import ms':>10} {'cpu ms':>8} {'modules':>8} {'ours':>6}"
    lines = (f"{s.name:<20} {s.ms:>10.0f} {s.cpu_ms:>8.0f} {s.modules:>8} {s.own:>6}" for s in starts)
    return "\n".join([head, *lines])
