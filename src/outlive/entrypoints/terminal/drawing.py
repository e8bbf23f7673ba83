"""A trace as a picture: one bar a step, where in the turn it lies, and what it found."""

from __future__ import annotations

from outlive.core.kept_traces import KeptTrace
from outlive.entrypoints.terminal.output import local_time

WIDTH = 40
"""Columns that the whole turn takes."""
EIGHTHS = " ▏▎▍▌▋▊▉█"


def title_of(trace: KeptTrace) -> str:
    """Which turn it was."""
    how = "" if trace.how == "ran" else f" ({trace.how})"
    return f"turn {trace.turn}{how}, {local_time(trace.at)}, {trace.worker}: {shown_time(trace.seconds)}"


def drawn_trace(trace: KeptTrace) -> list[str]:
    """A line for each step: name, bar, time, and what it found."""
    widest = max((len(step.name) for step in trace.steps), default=0)
    scale = WIDTH / trace.seconds if trace.seconds else 0.0
    return [
        f"{step.name:<{widest}}  {_bar(step.began * scale, step.seconds * scale)}  "
        f"{shown_time(step.seconds):>8}  {step.found}".rstrip()
        for step in trace.steps
    ]


def _bar(start: float, length: float) -> str:
    """Where the step lies, to an eighth of a column; a step of no time still leaves a mark."""
    first = min(int(start), WIDTH - 1)
    whole, part = divmod(round(length * 8), 8)
    bar = "█" * whole + (EIGHTHS[part] if part else "")
    return (" " * first + (bar or EIGHTHS[1]))[:WIDTH].ljust(WIDTH)


def shown_time(seconds: float) -> str:
    """Seconds, or milliseconds below one."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
