"""A task whose worker is really killed, with the real CLI."""

from __future__ import annotations

import json
import signal
import time

import pytest

from tests.e2e.test_kills import SLOW, events, machine, until_gone  # noqa: F401 - the fixture
from tests.e2e.test_kills import pytestmark as marks

pytestmark = marks


@pytest.mark.promise("P1")
def test_a_killed_workers_task_is_resumed_by_its_id(machine) -> None:  # noqa: F811 - the fixture
    """After SIGKILL the task is running, with the agent's session; the next worker ends it, and its id leads there."""
    machine.run("send", "ada", SLOW, "--task", "job-7")
    worker = machine.worker()
    assert any(event["event"] == "tool" for event in events(worker))
    time.sleep(1.0)
    worker.send_signal(signal.SIGKILL)
    left = json.loads(machine.run("task", "show", "job-7", "--json"))
    assert left["state"] == "running"
    assert until_gone(machine) == []
    turn = next(event for event in events(machine.worker()) if event["event"] == "turn")
    done = json.loads(machine.run("task", "show", "job-7", "--json"))
    assert (turn["how"], done["state"], done["agent_session_id"]) == ("continued", "done", left["agent_session_id"])
    machine.run("task", "send", "job-7", "My name is Ada")
    last = next(event for event in events(machine.worker()) if event["event"] == "turn")
    assert (last["session_id"], last["after"]) == (done["session_id"], 2)
