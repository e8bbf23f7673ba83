"""The one definition of the metrics, as Prometheus and CloudWatch get them."""

from __future__ import annotations

import json
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from outlive.core import costs
from outlive.core.metrics import (
    GIVEN_UP,
    METRICS,
    QUEUE_WAIT,
    QUEUE_WAITING,
    TURNS,
    Update,
    updates_of,
)
from outlive.telemetry.cloudwatch import EmbeddedMetrics, embedded
from outlive.telemetry.prometheus import Registry
from tests.telemetry.samples import ABOUT, EVENTS, TOLD

UNITS = {"Count", "Seconds", "Bytes", "None"}


def _families(registry: Registry, *measured: Update) -> dict:
    return {family.name: family for family in text_string_to_metric_families(registry.render(measured))}


@pytest.fixture
def full() -> Registry:
    """One that has heard each event once."""
    registry = Registry()
    for told in TOLD:
        registry(told)
    return registry


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric) -> None:
    """A counter ends in `_total`, nothing else does; a unit is in the name; the help is one sentence."""
    assert re.fullmatch(r"outlive_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not metric.unit or metric.unit in metric.name
    assert metric.help.endswith(".")
    assert (metric.kind == "histogram") == bool(metric.buckets)
    assert list(metric.buckets) == sorted(metric.buckets)


def test_names_are_unique() -> None:
    """No two metrics share a name, neither in Prometheus nor in CloudWatch."""
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    sent = [metric.cloudwatch for metric in METRICS if metric.cloudwatch]
    assert len(set(sent)) == len(sent)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_every_event_changes_something_with_all_its_labels(event) -> None:
    """Each event updates a metric at least, and each update has as many label values as its metric has labels."""
    updates = list(updates_of(event, ABOUT))
    assert updates
    assert all(len(update.labels) == len(update.metric.labels) for update in updates)


def test_every_metric_is_fed() -> None:
    """Each metric that is not measured at the scrape is changed by an event."""
    fed = {update.metric for event in EVENTS for update in updates_of(event, ABOUT)}
    left = {metric.name for metric in METRICS if metric not in fed and metric.kind != "gauge"}
    assert left == {"outlive_telemetry_faults_total"}


def test_prometheus_reads_all_of_it(full) -> None:
    """The parser of Prometheus's own client finds every metric, with its type."""
    gauges = [Update(metric, 3.5, metric.labels) for metric in METRICS if metric.kind == "gauge"]
    families = _families(full, *gauges)
    names = {metric.name.removesuffix("_total"): metric.kind for metric in METRICS}
    del names["outlive_telemetry_faults"]
    assert {name: family.type for name, family in families.items()} == names


def test_a_histogram_adds_up(full) -> None:
    """The buckets of a histogram grow to its count, and the sum is that of the observed values."""
    registry = Registry()
    for value in (0.05, 0.1, 7.0, 1e6):
        registry.update(Update(QUEUE_WAIT, value))
    samples = {(s.name, s.labels.get("le")): s.value for s in _families(registry)[QUEUE_WAIT.name].samples}
    assert samples[f"{QUEUE_WAIT.name}_bucket", "0.1"] == 2
    assert samples[f"{QUEUE_WAIT.name}_bucket", "15"] == 3
    assert samples[f"{QUEUE_WAIT.name}_bucket", "+Inf"] == samples[f"{QUEUE_WAIT.name}_count", None] == 4
    assert samples[f"{QUEUE_WAIT.name}_sum", None] == pytest.approx(1_000_007.15)


def test_label_values_are_escaped() -> None:
    """A label with quotes, backslashes and line breaks comes back as it was."""
    registry, odd = Registry(), 'a"b\\c\nd'
    registry.update(Update(GIVEN_UP, 1, (odd,)))
    (found,) = _families(registry)[GIVEN_UP.name.removesuffix("_total")].samples
    assert found.labels == {"channel": odd}


def test_a_gauge_that_was_not_measured_is_not_shown() -> None:
    """A gauge is as it was measured for this very look: an old value is never shown for a new one."""
    registry = Registry()
    assert _families(registry, Update(QUEUE_WAITING, 4))[QUEUE_WAITING.name].samples[0].value == 4
    assert QUEUE_WAITING.name not in _families(registry)


def test_counters_add_up_by_label() -> None:
    """A counter counts for each set of labels by itself."""
    registry = Registry()
    for labels in (("done", "ran"), ("done", "ran"), ("failed", "ran")):
        registry.update(Update(TURNS, 1, labels))
    assert 'outlive_turns_total{outcome="done",how="ran"} 2' in registry.render()


# ------------------------------------------------------------------------------------------- CloudWatch


@pytest.mark.parametrize("told", TOLD, ids=lambda told: told.event.name)
def test_embedded_metrics_have_the_documented_shape(told) -> None:
    """Every line has a timestamp in ms, one namespace, its dimension and metrics as root members, known units."""
    line = json.loads(json.dumps(embedded(told, "bot")))
    if not line:
        assert not any(update.metric.cloudwatch for update in updates_of(told.event, told.about))
        return
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert line["_aws"]["Timestamp"] == 1_700_000_000_500
    assert set(line["_aws"]) == {"Timestamp", "CloudWatchMetrics"}
    assert (directive["Namespace"], directive["Dimensions"], line["Deployment"]) == ("outlive", [["Deployment"]], "bot")
    assert 1 <= len(directive["Metrics"]) <= 100
    for metric in directive["Metrics"]:
        assert set(metric) == {"Name", "Unit"}
        assert metric["Unit"] in UNITS
        assert isinstance(line[metric["Name"]], (int, float))


def test_a_turn_is_one_line_with_its_tokens() -> None:
    """A turn's line carries its money and its tokens, and whom it is about beside them."""
    lines: list[str] = []
    listener = EmbeddedMetrics("bot", lines.append)
    for told in TOLD:
        if told.event.name == "turn_ended":
            listener(told)
    (line,) = map(json.loads, lines)
    names = {"InputTokens": 21, "CachedTokens": 7, "CostUSD": 1.25}
    assert {name: line[name] for name in names} == names
    assert (line["tenant"], line["message_id"]) == ("acme", "m1")


def test_only_what_is_paid_for_goes_to_cloudwatch() -> None:
    """The bill reckons with as many metrics as a turn sends to CloudWatch in which nothing went wrong."""
    (turn,) = [told for told in TOLD if told.event.name == "turn_ended"]
    ((directive,),) = [embedded(turn, "bot")["_aws"]["CloudWatchMetrics"]]
    assert len(directive["Metrics"]) == costs.METRICS
