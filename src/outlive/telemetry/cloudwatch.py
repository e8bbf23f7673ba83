"""Metrics as CloudWatch takes them out of a function's log: embedded metric format, a line of JSON for each event.

Every metric has one dimension, the deployment: each combination of dimensions is billed as a metric of its own. What
distinguishes the events otherwise (error, channel, stage) stands beside the numbers, where Logs Insights finds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from outlive.core.metrics import Metric, updates_of
from outlive.core.telemetry import Told

NAMESPACE = "outlive"
DIMENSION = "Deployment"
UNITS = {"": "Count", "seconds": "Seconds", "bytes": "Bytes", "tokens": "Count", "usd": "None"}


class EmbeddedMetrics:
    """Implements `core.telemetry.Listener`."""

    def __init__(self, deployment: str, write: Callable[[str], object]) -> None:
        """`write` puts one line, without its end, into the log."""
        self._deployment, self._write = deployment, write

    def __call__(self, told: Told, /) -> None:
        line = embedded(told, self._deployment)
        if line:
            self._write(json.dumps(line, separators=(",", ":")))


def embedded(told: Told, deployment: str) -> dict[str, Any]:
    """The document for an event; empty for one that CloudWatch need not know of."""
    values: dict[str, float] = {}
    metrics: list[Metric] = []
    beside: dict[str, str] = {}
    for update in updates_of(told.event, told.about):
        if update.metric.cloudwatch:
            metrics.append(update.metric)
            values[update.metric.cloudwatch] = update.value
            beside |= dict(zip(update.metric.labels, update.labels, strict=True))
    if not metrics:
        return {}
    definitions = [{"Name": metric.cloudwatch, "Unit": UNITS[metric.unit]} for metric in metrics]
    directive = {"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": definitions}
    head = {"Timestamp": int(told.at * 1000), "CloudWatchMetrics": [directive]}
    ids = {"tenant": told.about.tenant, "session_id": told.about.session_id, "message_id": told.about.message_id}
    known = {name: value for name, value in ids.items() if value}
    return {"_aws": head, DIMENSION: deployment, "metrics_of": told.event.name} | known | beside | values
