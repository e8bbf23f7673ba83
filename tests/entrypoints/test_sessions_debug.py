"""`outlive sessions debug`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.entrypoints.conftest import Outlive


def test_without_a_log_it_says_how_to_get_one(outlive: Outlive) -> None:
    """A session without a log exits 1 and names the setting."""
    outlive.say("hello")
    assert "OUTLIVE_DEBUG" in outlive.refused(1, "sessions", "debug", "ada")["fix"]


@pytest.mark.cli
def test_the_real_log_is_printed(outlive: Outlive) -> None:
    """With the setting on, the log that the real CLI wrote in a turn is printed, for people and as JSON."""
    outlive.monkeypatch.setenv("OUTLIVE_DEBUG", "true")
    outlive.monkeypatch.setenv("OUTLIVE_ISOLATION", "none")  # other users cannot enter the tests' own folder
    outlive("send", "ada", "My name is Ada")
    command = [sys.executable, "-m", "outlive", "worker", "--once", "--json", "--model", "scripted"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "debug" in [step["name"] for step in json.loads(done.stdout.splitlines()[1])["steps"]]
    log = outlive.ok("sessions", "debug", "ada", "--turn", "1")
    assert "[DEBUG]" in log["text"]
    assert outlive("sessions", "debug", "ada").out.strip() == log["text"].strip()
