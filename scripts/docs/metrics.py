"""The tables of metrics and of events, from the one definition of each."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import get_args

from outlive.core.metrics import METRICS
from outlive.core.telemetry import Event, Fault


def metrics(_root: Path, _page: Path) -> str:
    """One row per metric: name, kind, labels, unit, name in CloudWatch, what it says."""
    rows = ["| metric | kind | labels | unit | in CloudWatch | what it says |", "|---|---|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        cloudwatch = f"`{metric.cloudwatch}`" if metric.cloudwatch else ""
        asked = " Measured when it is asked for." if metric.asks else ""
        cells = [f"`{metric.name}`", metric.kind, labels, metric.unit, cloudwatch, metric.help + asked]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def events(_root: Path, _page: Path) -> str:
    """One row per event: name, level, fields, what happened."""
    rows = ["| event | level | fields | what happened |", "|---|---|---|---|"]
    for kind in get_args(Event):
        named = ["error` and `detail" if each.type == Fault.__name__ else each.name for each in fields(kind)]
        told = (kind.__doc__ or "").split("\n", 1)[0]
        rows.append(f"| `{kind.name}` | {kind.level} | {', '.join(f'`{name}`' for name in named)} | {told} |")
    return "\n".join(rows)
