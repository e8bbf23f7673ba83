"""What is shipped for those who watch: alarm rules, dashboard, and the page that says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from outlive.core.metrics import METRICS

ROOT = Path(__file__).parents[2]
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((ROOT / "deploy/grafana/outlive.json").read_text())
PANELS = {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in DASHBOARD["panels"]}
OPERATIONS = (ROOT / "docs/operations.md").read_text()

SERIES = {
    name: metric
    for metric in METRICS
    for name in ([f"{metric.name}_{part}" for part in ("bucket", "sum", "count")] if metric.buckets else [metric.name])
}


def _check(expression: str) -> None:
    """Every series that it names exists, and has the labels that it groups by."""
    names = re.findall(r"outlive_\w+", expression)
    assert names
    assert set(names) <= set(SERIES), expression
    for labels in re.findall(r"by \(([^)]+)\)", expression):
        known = {"le"} if expression.startswith("histogram_quantile") else set()
        known |= {label for name in names for label in SERIES[name].labels}
        assert {label.strip() for label in labels.split(",")} <= known, expression
    for name in re.findall(r"(?:increase|rate)\((\w+)", expression):
        assert SERIES[name].kind != "gauge"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alarm_names_metrics_that_exist(rule) -> None:
    """The rule's expression uses series and labels of the definition, and the rule has a severity and a summary."""
    _check(rule["expr"])
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"].endswith(".")


def test_the_first_event_of_a_labelled_counter_is_an_alarm() -> None:
    """Where one event is enough for an alarm, it fires for a series that has only just begun as well."""
    alone = [rule["expr"] for rule in RULES if re.search(r"increase\(.*> 0", rule["expr"])]
    counters = [re.search(r"increase\((\w+)", expression)[1] for expression in alone]
    assert all(SERIES[name].labels for name in counters)
    assert all(f"({name} unless {name} offset" in each for name, each in zip(counters, alone, strict=True))


@pytest.mark.parametrize("title", PANELS)
def test_every_panel_shows_metrics_that_exist(title) -> None:
    """Each of the panel's expressions uses series and labels of the definition."""
    for expression in PANELS[title]:
        _check(expression)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alarm_is_explained(rule) -> None:
    """The operations page has a section for the alarm that says what it means and what to do."""
    section = re.search(rf"^### {rule['alert']}\n(.*?)(?=^#|\Z)", OPERATIONS, re.MULTILINE | re.DOTALL)
    assert section, "no section"
    assert "**Means**" in section[1]
    assert "**Do**" in section[1]


def test_every_alarm_of_the_aws_template_is_explained() -> None:
    """The operations page names each alarm of the template."""
    template = (ROOT / "deploy/aws/template.yaml").read_text()
    alarms = re.findall(r"^  (\w+):\n    Type: AWS::CloudWatch::Alarm", template, re.MULTILINE)
    assert len(alarms) > 5
    assert [name for name in alarms if f"`{name}`" not in OPERATIONS] == []


def test_what_matters_is_watched() -> None:
    """Transcript writes, durability, takeovers, fences, ages, dead letters, tiers, cache share and money are shown."""
    shown = " ".join(expression for expressions in PANELS.values() for expression in expressions)
    matters = """transcript_writes_failed_total turns_not_durable_total lease_takeovers_total fences_refused_total
        outbox_oldest_seconds queue_oldest_seconds dead_letters hydrations_total cache_read_tokens_total
        cost_usd_total"""
    assert [name for name in matters.split() if f"outlive_{name}" not in shown] == []
