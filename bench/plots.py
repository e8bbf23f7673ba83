"""Pictures of the figures, as SVG text: lines over the number of messages, and where a turn's time goes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from bench.contest import ENTRIES, SCENARIOS
from bench.wires import SENT

Figures = Mapping[str, Any]
Point = tuple[float, float]
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 380, 70, 40, 270, 45
COLOURS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#64748b")
_TITLES = {entry.name: entry.title for entry in ENTRIES}
_REQUESTS = ("s3.", "dynamodb.", "redis.", "postgres.")


def plots(reports: Sequence[Figures]) -> dict[str, str]:
    """File name -> picture, for every scenario that the reports of `bench run` hold."""
    results = [result for report in reports for result in report["results"]]
    pictures = {}
    for scenario, name in SCENARIOS.items():
        there = [result for result in results if result["scenario"] == scenario]
        for chart, (title, figure) in CHARTS.items():
            if there:
                pictures[f"{scenario}-{chart}.svg"] = _chart(f"{name}. {title}", _series(there, figure))
    return pictures


def _series(results: Sequence[Figures], figure: Callable[[Figures], float]) -> dict[str, list[Point]]:
    series: dict[str, list[Point]] = {}
    for result in results:
        series.setdefault(_TITLES[result["contestant"]], []).append((result["messages"], max(figure(result), 0.1)))
    return series


def _written(result: Figures) -> float:
    turn = result["turn"]
    sent = turn["operations"].get(SENT)
    return float(turn["bytes_written"] if sent is None else sent)


def _operations(result: Figures) -> float:
    counts: Figures = result["turn"]["operations"]
    kinds = ("sql", "file") if result["scenario"] == "embedded" else _REQUESTS
    return float(sum(count for kind, count in counts.items() if kind.startswith(kinds)))


CHARTS: Mapping[str, tuple[str, Callable[[Figures], float]]] = {
    "resume": ("One resume, ms", lambda result: result["resume"]["ms"]),
    "turn": ("One turn, ms", lambda result: result["turn"]["ms"]),
    "turn-bytes": ("Bytes written or sent per turn, KB", lambda result: _written(result) / 1024),
    "turn-requests": ("Requests (SQL statements, file operations) per turn", _operations),
}
"""Name -> title, and the figure of one contestant at one size."""


# --------------------------------------------------------------------------------------------- lines


def _chart(title: str, series: Mapping[str, Sequence[Point]]) -> str:
    """Both axes logarithmic, a labelled line for each contestant."""
    points = [point for line in series.values() for point in line]
    across = _Scale([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _Scale([y for _, y in points], HEIGHT - BOTTOM, TOP, whole=True)
    parts = [_text(LEFT, 22, title, size=15)]
    parts += [_grid(up.place(value), f"{value:,g}") for value in up.powers()]
    for x in sorted({x for x, _ in points}):
        parts.append(_text(across.place(x), HEIGHT - BOTTOM + 20, f"{x:,g}", anchor="middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "messages", anchor="middle"))
    for number, (name, line) in enumerate(series.items()):
        parts += _line(name, [(across.place(x), up.place(y)) for x, y in line], number)
    return _svg(WIDTH, HEIGHT, parts)


class _Scale:
    """A logarithmic axis from pixel `first` to pixel `last`."""

    def __init__(self, values: Sequence[float], first: float, last: float, *, whole: bool = False) -> None:
        low, high = math.log10(min(values)), math.log10(max(values))
        self._low: float = math.floor(low) if whole else low
        self._high: float = max(math.ceil(high) if whole else high, self._low + 1)
        self._first, self._last = first, last

    def place(self, value: float) -> float:
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._first + share * (self._last - self._first)

    def powers(self) -> list[float]:
        return [10.0**power for power in range(math.ceil(self._low), math.floor(self._high) + 1)]


def _grid(y: float, label: str) -> str:
    line = f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e7eb"/>'
    return line + _text(LEFT - 8, y + 4, label, anchor="end")


def _line(name: str, points: Sequence[Point], number: int) -> list[str]:
    colour = COLOURS[number % len(COLOURS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    key = TOP + 20 + 22 * number
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    right = WIDTH - RIGHT + 20
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *dots,
        f'<rect x="{right}" y="{key - 9}" width="10" height="10" fill="{colour}"/>',
        _text(right + 16, key, name),
    ]


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    back = f'<rect width="{width}" height="{height}" fill="white"/>'
    return "\n".join([f'{head} font-family="sans-serif">', back, *parts, "</svg>"]) + "\n"


# -------------------------------------------------------------------------------------------- flames

ROW, FLAMES_WIDTH, LEAST = 17, 1100, 0.004
"""Pixels of a frame's row and of the picture; the smallest share of the time that is drawn."""


@dataclass(slots=True)
class _Frame:
    samples: int = 0
    inner: dict[str, _Frame] = field(default_factory=dict)


def flames(stacks: str, title: str) -> str:
    """Folded stacks (`outer;inner COUNT` in each line) as boxes: as wide as their share, callers above the called."""
    root = _Frame()
    for line in stacks.splitlines():
        names, count = line.rsplit(" ", 1)
        _add(root, [_short(name) for name in names.split(";")], int(count))
    parts, deepest = [_text(8, 20, title, size=15)], [0]
    _draw(root, 0.0, 0, root.samples, parts, deepest)
    return _svg(FLAMES_WIDTH, 40 + ROW * (deepest[0] + 1), parts)


def _add(frame: _Frame, names: Sequence[str], count: int) -> None:
    frame.samples += count
    for name in names:
        frame = frame.inner.setdefault(name, _Frame())
        frame.samples += count


def _short(name: str) -> str:
    return name.rpartition(":")[0] + ")" if ":" in name else name


def _draw(frame: _Frame, left: float, depth: int, total: int, parts: list[str], deepest: list[int]) -> None:
    deepest[0] = max(deepest[0], depth)
    for name, inner in sorted(frame.inner.items()):
        share = inner.samples / total
        if share >= LEAST:
            width, y = share * FLAMES_WIDTH, 32 + ROW * depth
            parts.append(_box(name, left, y, width, share))
            _draw(inner, left, depth + 1, total, parts, deepest)
            left += width


def _box(name: str, x: float, y: float, width: float, share: float) -> str:
    fill = "#fdba74" if "outlive/" in name else "#e5e7eb"
    shown = _text(x + 3, y + 12, name[: int(width / 6)], size=10) if width > 40 else ""
    label = f"<title>{escape(name)}: {share:.1%}</title>"
    return f'<g>{label}<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" fill="{fill}"/>{shown}</g>'
