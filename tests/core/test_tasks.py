"""The stored form of tasks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from outlive.core.keys import SessionId
from outlive.core.tasks import Task, decode_task, encode_task, task_key
from outlive.errors import Corrupt, SchemaTooNew

TASK = Task("job-7", "a:b:c:d", SessionId("0" * 32), None, "m1", "running", 1.0, 2.0, "w1", 3)


def test_a_task_comes_back() -> None:
    """What is stored reads back as it was."""
    task = replace(TASK, agent_session_id="x", state="failed", reason="häß")
    assert decode_task(encode_task(task), "k") == task


@pytest.mark.parametrize("change", [{"state": "lost"}, {"more": 1}, {"worker": None, "fence": None}])
def test_what_is_no_task_is_refused(change) -> None:
    """A record with an unknown state or field is named as damaged, and so is one that is no JSON."""
    fields = json.loads(encode_task(TASK)) | change
    if change.get("fence", 0) is None:
        del fields["fence"]
    for body in (json.dumps(fields).encode(), b"{"):
        with pytest.raises(Corrupt, match="k"):
            decode_task(body, "k")


def test_a_newer_task_is_refused() -> None:
    """A record of a later schema asks for an upgrade."""
    body = json.dumps(json.loads(encode_task(TASK)) | {"schema": 2}).encode()
    with pytest.raises(SchemaTooNew):
        decode_task(body, "k")


def test_a_key_holds_any_id() -> None:
    """The longest id of the widest characters still fits into a table's key."""
    assert task_key("a/b") == "tasks/a%2Fb"
    assert len(task_key("ä" * 128)) + len("t" * 64 + "/") < 1024
