"""Telemetry of whole processes with the real CLI: their logs, their metrics, their trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.cli

SECRETS = {
    "TELEGRAM_BOT_TOKEN": "123456:the-bots-own-token",
    "SDK_CLIENT_AUTH_TOKEN": "the-internal-token-of-this-test",
}
WORDS = ("zanzibar", "marmalade")
TEXT = f"Write '{WORDS[0]}' to {WORDS[1]}.txt"


def _environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OUTLIVE_", "ANTHROPIC_"))}
    own = {
        "OUTLIVE_DATA": str(folder / "data"),
        "OUTLIVE_WORKSPACES": str(folder / "trees"),
        "OUTLIVE_ISOLATION": "none",
        "OUTLIVE_MODEL": "scripted",
        "OUTLIVE_LOG_FORMAT": "json",
        "OUTLIVE_LOG_LEVEL": "debug",
    }
    return kept | own | SECRETS | more


@dataclass
class Ran:
    """What the processes of one message said."""

    log: list[dict[str, Any]]
    embedded: list[dict[str, Any]]
    """The worker's stdout: CloudWatch's lines."""
    everything: str
    metrics: dict[str, float]


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Ran:
    """A message sent by one process and answered by a worker, whose metrics are read before it is stopped."""
    folder = tmp_path_factory.mktemp("telemetry")
    folder.chmod(0o755)
    environment = _environment(folder, OUTLIVE_EMF="test-stack")
    command = [sys.executable, "-m", "outlive"]
    given = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    sent = subprocess.run([*command, "send", "ada", TEXT, "--message-id", "m1"], check=True, **given)
    with subprocess.Popen([*command, "worker", "--metrics-port", "0"], **given) as worker:
        said = []
        while "turn_ended" not in (said or [""])[-1]:
            said.append(worker.stderr.readline())
        url = next(line.split()[-1] for line in said if "metrics: http" in line)
        metrics = _scraped(url)
        worker.terminate()
        out, rest = worker.communicate(timeout=60)
    errors = sent.stderr + "".join(said) + rest
    log = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    return Ran(log, [json.loads(line) for line in out.splitlines()], errors + out, metrics)


def test_a_run_is_logged_from_intake_to_delivery(ran) -> None:
    """The log tells of the message, its receive, the tree, the reply and the turn, each with the message's id."""
    log = ran.log
    names = ["message_accepted", "message_received", "tree_hydrated", "reply_delivered", "turn_ended"]
    assert [line["event"] for line in log] == names
    assert {line["message_id"] for line in log} == {"m1"}
    assert log[-1]["cache_write_tokens"] + log[-1]["input_tokens"] > 0


def test_a_run_tells_nothing_that_was_said_and_no_secret(ran) -> None:
    """Neither the message, the file it wrote, nor a secret of the settings is anywhere in what was printed."""
    told = ran.everything.replace("local:console:ada:default", "")
    assert [word for word in (*WORDS, *SECRETS.values()) if word in told] == []


def test_a_run_is_told_to_cloudwatch(ran) -> None:
    """With a deployment's name the turn's numbers stand on stdout as one line of embedded metrics."""
    (line,) = ran.embedded
    assert (line["Deployment"], line["metrics_of"]) == ("test-stack", "turn_ended")
    assert line["InputTokens"] > 0


def test_a_worker_shows_its_metrics_on_a_port(ran) -> None:
    """`worker --metrics-port 0` tells its URL, where Prometheus reads the turn, the gauges and the warm process."""
    assert ran.metrics["outlive_turns_total"] == ran.metrics["outlive_warm_processes"] == 1
    assert (ran.metrics["outlive_queue_waiting"], ran.metrics["outlive_dead_letters"]) == (0, 0)
    assert ran.metrics["outlive_input_tokens_total"] > 0


def _scraped(url: str) -> dict[str, float]:
    """Samples by name, once the turn is among them: the worker tells of it before it has let the session go."""
    for _ in range(50):
        with urllib.request.urlopen(url, timeout=5) as response:
            families = list(text_string_to_metric_families(response.read().decode()))
        found = {sample.name: sample.value for family in families for sample in family.samples}
        if found.get("outlive_warm_processes"):
            break
        time.sleep(0.1)
    return found
