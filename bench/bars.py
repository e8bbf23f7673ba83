"""`python -m bench bars`: what was aimed at beside what the files of other commands say was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.table import Table

from bench.contest import ENTRIES
from bench.wires import SENT

Document = dict[str, Any]
_WRITES = ("table.acquire", "table.write")
_SCENARIOS = {entry.name: entry.scenario for entry in ENTRIES}
_TITLES = {entry.name: entry.title for entry in ENTRIES}
_OURS = "outlive"


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure that is to stay at or under a limit."""

    title: str
    contestant: str
    messages: int
    limit: float
    unit: str
    figure: Callable[[dict[str, Any]], float]
    """From the results of one contestant at one size."""


def _again(result: dict[str, Any]) -> float:
    return float(result["resume"]["again_ms"])


def _resume(title: str, contestant: str, messages: int, limit: float) -> Bar:
    return Bar(f"resume, {title}", contestant, messages, limit, "ms", _again)


BARS = (
    Bar("PUTs per warm turn, S3 + DynamoDB", "outlive-aws", 5000, 1, "", lambda result: _asked(result, "objects.put")),
    Bar("writes per warm turn, DynamoDB", "outlive-aws", 5000, 3, "", lambda result: _asked(result, *_WRITES)),
    Bar("sent per turn, S3 + DynamoDB", "outlive-aws", 5000, 2.5, "KB", lambda result: _asked(result, SENT) / 1024),
    _resume("S3 + DynamoDB", "outlive-aws", 1000, 30),
    _resume("S3 + DynamoDB", "outlive-aws", 5000, 60),
    _resume("S3 + DynamoDB, compacting", "outlive-aws-compacted", 50_000, 30),
    _resume("hot tier", "outlive-hot", 1000, 10),
    _resume("hot tier", "outlive-hot", 5000, 40),
    _resume("embedded", "outlive", 1000, 5),
    _resume("embedded", "outlive", 5000, 20),
    _resume("embedded, compacting", "outlive-compacted", 5000, 20),
    Bar("turn, embedded, our own", "outlive", 5000, 3, "ms", lambda result: float(result["turn"]["loop_ms"])),
)
"""The bars of a run: what a resume brings back is parsed in its time, and connections exist."""
SHARES = (("whole cold turn, real CLI", "outlive, another host", 1.05), ("whole warm turn", "outlive, warm", 0.3))
"""Of a turn of the bare SDK on another host, at every size."""
BARE = "SDK, another host"


def table(documents: Sequence[Document]) -> Table:
    """One line for each bar: the limit, the figure, by how much it is missed, and the best peer of the same run."""
    shown = Table(title="What was aimed at: at most this much")
    for header in ("", "at", "bar", "outlive", "", "best peer in the same run"):
        shown.add_column(header, justify="left" if not header or "peer" in header else "right")
    rows = [row for document in documents for row in document["results"]]
    results = {(row["contestant"], row["messages"]): row for row in rows if "contestant" in row}
    for bar in BARS:
        shown.add_row(*_row(bar, results))
    for cells in _shares([row for row in rows if "megabytes" in row]):
        shown.add_row(*cells)
    return shown


def _row(bar: Bar, results: dict[tuple[str, int], dict[str, Any]]) -> tuple[str, ...]:
    ours = results.get((bar.contestant, bar.messages))
    if ours is None:
        return bar.title, f"{bar.messages:,}", _said(bar.limit, bar.unit), "-", "not in these files", ""
    figure = bar.figure(ours)
    return (
        bar.title,
        f"{bar.messages:,}",
        _said(bar.limit, bar.unit),
        _said(figure, bar.unit),
        _verdict(figure, bar.limit),
        _best_peer(bar, results),
    )


def _best_peer(bar: Bar, results: dict[tuple[str, int], dict[str, Any]]) -> str:
    """The peer with the lowest figure of this kind on the same servers; none where only we count it."""
    found = [
        (figure, name)
        for (name, messages), result in results.items()
        if messages == bar.messages and _is_peer(name, bar.contestant) and (figure := _figure(bar, result)) is not None
    ]
    return f"{_said(min(found)[0], bar.unit)} {_TITLES[min(found)[1]]}" if found else ""


def _is_peer(name: str, contestant: str) -> bool:
    return not name.startswith(_OURS) and _SCENARIOS[name] == _SCENARIOS[contestant]


def _figure(bar: Bar, result: dict[str, Any]) -> float | None:
    counted = bar.figure(result) if bar.unit else 0.0  # only ours are counted by kind of request
    return counted or None


def _shares(rows: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for title, route, limit in SHARES if rows else ():
        shares = [median(row["seconds"][route]) / median(row["seconds"][BARE]) for row in rows]
        sizes = ", ".join(f"{row['megabytes']:.3g}" for row in rows)
        said = f"{min(shares):.2f} to {max(shares):.2f}"
        yield f"{title}, of the bare SDK's", f"{sizes} MB", f"{limit:.4g}", said, _verdict(max(shares), limit), ""


def _asked(result: dict[str, Any], *kinds: str) -> float:
    return float(sum(result["turn"]["operations"].get(kind, 0) for kind in kinds))


def _said(figure: float, unit: str) -> str:
    return f"{figure:.3g} {unit}".strip()


def _verdict(figure: float, limit: float) -> str:
    return "kept" if figure <= limit else f"missed: {figure / limit:.1f} times"
