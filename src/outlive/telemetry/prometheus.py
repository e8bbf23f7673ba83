"""Metrics of one process as Prometheus reads them: text format 0.0.4."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from outlive.core.metrics import METRICS, Metric, Update, updates_of
from outlive.core.telemetry import Told

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels = tuple[str, ...]


@dataclass(slots=True)
class Series:
    """One line of a counter or gauge, or all lines of a histogram, under one set of labels."""

    value: float = 0.0
    """A histogram's sum."""
    counts: list[int] = field(default_factory=list)
    """Of a histogram's buckets, the last one infinite; each counts for itself alone."""


class Registry:
    """Implements `core.telemetry.Listener`: adds up what happens, in memory."""

    def __init__(self) -> None:
        self._series: dict[Metric, dict[Labels, Series]] = {metric: {} for metric in METRICS}
        for metric in METRICS:  # a counter that is there from the start lets the first failure be seen as a rise
            if metric.kind == "counter" and not metric.labels:
                self._series[metric][()] = Series()

    def __call__(self, told: Told, /) -> None:
        for update in updates_of(told.event, told.about):
            self.update(update)

    def update(self, update: Update) -> None:
        """Add to a counter, observe in a histogram, set a gauge."""
        metric = update.metric
        series = self._series[metric].get(update.labels)
        if series is None:
            series = self._series[metric][update.labels] = Series(counts=[0] * _buckets(metric))
        if metric.kind == "gauge":
            series.value = update.value
            return
        series.value += update.value
        if metric.kind == "histogram":
            series.counts[bisect_left(metric.buckets, update.value)] += 1

    def render(self, measured: Iterable[Update] = ()) -> str:
        """All metrics, with the gauges as they have just been measured: what was not measured is left out."""
        for metric, series in self._series.items():
            if metric.kind == "gauge":
                series.clear()
        for update in measured:
            self.update(update)
        return "".join(f"{line}\n" for metric in METRICS for line in _lines(metric, self._series[metric]))


def _buckets(metric: Metric) -> int:
    return len(metric.buckets) + 1 if metric.kind == "histogram" else 0


def _lines(metric: Metric, series: dict[Labels, Series]) -> Iterator[str]:
    if not series:
        return
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for values, each in sorted(series.items(), key=lambda item: item[0]):
        pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(metric.labels, values, strict=True)]
        if metric.kind != "histogram":
            yield f"{metric.name}{_braced(pairs)} {_number(each.value)}"
            continue
        total = 0
        for bound, count in zip((*metric.buckets, float("inf")), each.counts, strict=True):
            total += count
            upper = f'le="{_number(bound)}"'
            yield f"{metric.name}_bucket{_braced([*pairs, upper])} {total}"
        yield f"{metric.name}_sum{_braced(pairs)} {_number(each.value)}"
        yield f"{metric.name}_count{_braced(pairs)} {total}"


def _braced(pairs: list[str]) -> str:
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
