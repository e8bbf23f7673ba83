"""`outlive task show`, `task list`, `task send`, and `send --task`."""

from __future__ import annotations

from outlive.flows.turn.find_session import start_anew
from outlive.wiring import App
from tests.entrypoints.conftest import FailingAgent, Outlive


def test_a_task_is_found_by_its_id(outlive: Outlive) -> None:
    """A message sent with `--task` makes a task that names its session once a worker has answered."""
    outlive("send", "ada", "hello", "--task", "job-7", "--message-id", "m1")
    assert outlive.refused(1, "task", "show", "job-7")["type"] == "NotFound"
    turn = outlive("worker", "--once", "--json").events[1]
    task = outlive.ok("task", "show", "job-7")
    assert (task["state"], task["session_id"], task["message_id"]) == ("done", turn["session_id"], "m1")
    assert task["agent_session_id"]


def test_a_task_is_gone_on_with_by_its_id(outlive: Outlive) -> None:
    """`task send` puts the next message into the task's own session, and `--wait` gives its reply."""
    outlive("send", "ada", "hello", "--task", "job-7")
    outlive("worker", "--once")
    sent = outlive.ok("task", "send", "job-7", "and then?", "--message-id", "m2")
    assert sent["session_key"] == "local:console:ada:default"
    outlive("worker", "--once")
    assert outlive("task", "send", "job-7", "and then?", "--message-id", "m2", "--wait").out == "Message 2: and then?\n"
    assert outlive.ok("task", "show", "job-7")["message_id"] == "m2"


def test_a_failed_task_says_why(outlive: Outlive) -> None:
    """People see the state and the reason of a task whose turn failed."""
    outlive("send", "ada", "hello", "--task", "job-7")
    outlive.agent(FailingAgent())
    outlive("worker", "--once")
    assert "failed: the model failed: overloaded" in outlive("task", "show", "job-7").out


def test_tasks_are_listed(outlive: Outlive) -> None:
    """`task list` prints a line per task, goes on behind a page, and says when there are none."""
    assert outlive("task", "list").err == "There are no tasks.\n"
    for name in ("a", "b"):
        outlive("send", name, "hello", "--task", f"job-{name}")
    outlive("worker", "--turns", "2")
    page = outlive.ok("task", "list", "--limit", "1")
    assert [task["task_id"] for task in page["tasks"]] == ["job-a"]
    assert "job-b" in outlive("task", "list", "--after", page["after"]).out


def test_a_key_that_has_moved_on_is_refused(outlive: Outlive) -> None:
    """When the session key points at another session than the task's, nothing is queued, and the fix is told."""
    outlive("send", "ada", "hello", "--task", "job-7")
    outlive("worker", "--once")

    async def start_over(app: App) -> None:
        await start_anew(app.engine, app.stores, app.key("ada"), "default")

    outlive.inside(start_over)
    assert "sessions fork" in outlive.refused(1, "task", "send", "job-7", "more")["fix"]
    for name in ("ada", "bob"):
        assert "belongs to" in outlive.refused(1, "send", name, "more", "--task", "job-7")["message"]
    assert outlive.ok("queue", "depth")["waiting"] == 0
