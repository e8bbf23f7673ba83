"""`outlive worker`."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from outlive.errors import Unavailable
from outlive.sqlite.queue import SqliteQueue
from outlive.testing.instant_agent import InstantAgent
from tests.entrypoints.conftest import FailingAgent, Outlive, stuck


def test_every_event_is_one_line_of_json(outlive: Outlive) -> None:
    """`--json` prints started, turn and stopped, one document a line, and nothing on stderr."""
    outlive("send", "ada", "hello")
    done = outlive("worker", "--once", "--json")
    assert (done.code, done.err) == (0, "")
    assert [event["event"] for event in done.events] == ["started", "turn", "stopped"]
    assert done.events[0] == {"event": "started", "pid": os.getpid(), "workspaces": str(outlive.folder / "trees")}


def test_the_garbage_collector_leaves_out_what_was_there_at_the_start(outlive: Outlive) -> None:
    """What a worker holds when it begins to take messages is in no later round of the garbage collector."""
    held = [[number] for number in range(100)]
    before = gc.get_freeze_count()
    outlive("worker", "--idle-exit", "0")
    assert gc.get_freeze_count() >= before + len(held)


def test_a_turn_is_told_with_all_it_took(outlive: Outlive) -> None:
    """A turn's event names session, message, reply, versions, the steps with their times, and where it ran."""
    outlive("send", "ada", "hello", "--message-id", "m1")
    turn = outlive("worker", "--once", "--json").events[1]
    assert (turn["how"], turn["session_key"], turn["message_id"]) == ("ran", "local:console:ada:default", "m1")
    assert (turn["reply"], turn["before"], turn["after"], turn["pid"]) == ("Message 1: hello", 0, 1, os.getpid())
    assert [step["name"] for step in turn["steps"]] == ["lease", "hydrate", "agent", "commit", "deliver", "release"]
    assert all(step["ms"] >= 0 and isinstance(step["found"], str) for step in turn["steps"])
    assert Path(turn["root"]).parent == outlive.folder / "trees"


def test_storage_is_counted_per_turn(outlive: Outlive) -> None:
    """Each turn's event counts its own requests: the second of two turns does not carry those of the first."""
    for text in ("one", "two"):
        outlive("send", "ada", text)
    _, first, second, _ = outlive("worker", "--turns", "2", "--json").events
    names = ["object_puts", "object_gets", "object_lists", "table_reads", "table_writes", "bytes_put", "bytes_got"]
    assert list(first["storage"]) == list(second["storage"]) == names
    assert (second["storage"]["object_puts"], second["storage"]["table_writes"]) == (1, 3)
    assert 0 < second["storage"]["bytes_put"] < 5000


def test_a_tool_is_told_when_it_starts(outlive: Outlive) -> None:
    """A tool call is an event of its own, before its turn's."""
    outlive("send", "ada", "write a.txt: x")
    events = outlive("worker", "--once", "--json").events
    assert events[1] == {"event": "tool", "name": "Write", "summary": "a.txt"}
    assert events[2]["event"] == "turn"


def test_people_get_one_line_per_turn(outlive: Outlive) -> None:
    """Without `--json` stdout is empty and stderr has a line for the turn, with the session and its versions."""
    outlive("send", "ada", "hello")
    done = outlive("worker", "--once")
    assert done.out == ""
    (line,) = [line for line in done.err.splitlines() if line.startswith("local:console:ada:default")]
    assert "turn 1  version 0 → 1" in line


def test_a_repeat_is_answered_from_the_session(outlive: Outlive) -> None:
    """A message that is delivered after its turn was committed is told as a repeat, between equal versions."""
    outlive("send", "ada", "hello", "--message-id", "m1")
    outlive.say("hello", message_id="m1")
    turn = outlive("worker", "--once", "--json").events[1]
    assert (turn["how"], turn["before"], turn["after"], turn["reply"]) == ("repeat", 1, 1, "Message 1: hello")
    assert turn["root"] is None


def test_it_ends_when_nothing_comes(outlive: Outlive) -> None:
    """`--idle-exit` ends a worker that had nothing to do for so long, after it has answered what there was."""
    outlive("send", "ada", "hello")
    events = outlive("worker", "--idle-exit", "0.2", "--json").events
    assert [event["event"] for event in events] == ["started", "turn", "stopped"]


def test_two_workers_on_one_folder_share_the_messages(outlive: Outlive) -> None:
    """Two worker processes on the same data folder answer each message once between them."""
    for number in range(6):
        outlive("send", f"chat-{number}", "hello", "--message-id", "m")
    command = [sys.executable, "-c", INSTANT, "worker", "--idle-exit", "1", "--json"]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    events = [json.loads(line) for worker in workers for line in worker.communicate(timeout=60)[0].splitlines()]
    turns = [event for event in events if event["event"] == "turn"]
    assert sorted(turn["session_key"] for turn in turns) == [f"local:console:chat-{n}:default" for n in range(6)]
    assert [turn["how"] for turn in turns] == ["ran"] * 6
    assert [worker.returncode for worker in workers] == [0, 0]


INSTANT = """
import sys
from functools import partial
from outlive.entrypoints import cli, working
from outlive.testing.instant_agent import InstantAgent
working.open_app = partial(working.open_app, agent=InstantAgent())
sys.exit(cli.run_with(sys.argv[1:]))
"""


# ------------------------------------------------------------------------------------------------ failures


def test_a_failed_turn_is_told_and_ends_a_limited_worker(outlive: Outlive) -> None:
    """With `--once` a turn that fails is an event with its error, and the exit code and the error are its own."""
    outlive("send", "ada", "hello", "--message-id", "m1")
    outlive.agent(FailingAgent())
    done = outlive("worker", "--once", "--json")
    assert [event["event"] for event in done.events] == ["started", "failed", "stopped"]
    assert done.events[1]["error"] == "the model failed: overloaded"
    assert (done.code, done.error["type"], done.error["fix"]) == (1, "AgentFailed", "Wait.")


def test_a_message_whose_turn_failed_stays(outlive: Outlive) -> None:
    """After a failed turn its message still waits in the queue, and the session has no turn."""
    outlive("send", "ada", "hello")
    outlive.agent(FailingAgent())
    outlive("worker", "--once")
    assert outlive.ok("queue", "depth")["waiting"] == 1
    assert outlive.ok("sessions", "show", "ada")["session"]["line"]["turns"] == 0


def test_a_session_that_is_held_counts_for_nothing(outlive: Outlive) -> None:
    """A message whose session another worker holds is told as busy, and is not one of the worker's turns."""
    outlive.monkeypatch.setenv("OUTLIVE_LEASE_SECONDS", "3")
    outlive.say("first")
    outlive.hold("ada")
    outlive("send", "ada", "hello")
    events = outlive("worker", "--once", "--json").events
    assert {event["event"] for event in events[1:-2]} == {"busy"}
    assert [event["event"] for event in events[-2:]] == ["turn", "stopped"]


def test_a_queue_that_does_not_answer_is_told_once(outlive: Outlive) -> None:
    """While the queue is down the worker says so one time, tries again, and answers when it is back."""
    outlive("send", "ada", "hello")
    failures, receive = iter("xxx"), SqliteQueue.receive

    async def flaky(queue: SqliteQueue, *, visibility: float, wait: float) -> object:
        if next(failures, None):
            raise Unavailable("The queue is down.")
        return await receive(queue, visibility=visibility, wait=wait)

    outlive.monkeypatch.setattr(SqliteQueue, "receive", flaky)
    outlive.monkeypatch.setattr("outlive.flows.work_queue.BUSY_PAUSE", 0.01)
    events = [event["event"] for event in outlive("worker", "--once", "--json").events]
    assert events == ["started", "waiting", "turn", "stopped"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no model is set up"),
        (["--model", "claude-opus-5"], "model 'claude-opus-5' is asked for, but there is no key for it"),
        (
            ["--model", "scripted", "--profile", "defualt"],
            "there is no agent profile 'defualt'. Did you mean 'default'?",
        ),
        (["--model", "scripted", "--tenant", "a/b"], "tenant 'a/b' is not valid"),
    ],
)
def test_it_does_not_start_without_what_it_needs(outlive: Outlive, words: list[str], message: str) -> None:
    """Without a model, a key, a profile or a tenant it exits 2 before it takes a message."""
    outlive("send", "ada", "hello")
    outlive.agent(None)
    error = outlive.refused(2, "worker", *words)
    assert message in error["message"]
    assert error["fix"]
    assert outlive.ok("queue", "depth")["waiting"] == 1


# ------------------------------------------------------------------------------------------------- signals


def test_sigterm_stores_and_gives_back_what_cannot_finish(outlive: Outlive) -> None:
    """After SIGTERM and the grace time it exits 0, the message waits, nothing is held and the bytes are kept."""
    outlive.monkeypatch.setenv("OUTLIVE_GRACE_SECONDS", "0.1")
    outlive("send", "ada", "hello")
    outlive.agent(stuck(signal.SIGTERM))
    done = outlive("worker", "--json")
    assert (done.code, [event["event"] for event in done.events]) == (0, ["started", "tool", "stopped"])
    assert outlive.ok("queue", "depth")["waiting"] == 1
    shown = outlive.ok("sessions", "show", "ada")["session"]
    assert shown["line"]["held_until"] is None
    assert [each["complete"] for each in shown["interrupted"]] == [False]


def test_a_second_signal_ends_it_at_once(outlive: Outlive) -> None:
    """The second signal does not wait for the grace time: exit 130, and the message waits for another worker."""
    outlive.monkeypatch.setenv("OUTLIVE_GRACE_SECONDS", "60")
    outlive("send", "ada", "hello")
    outlive.agent(stuck(signal.SIGINT, signal.SIGTERM))
    assert outlive("worker").code == 130
    assert outlive.ok("queue", "depth")["waiting"] == 1
    assert outlive.ok("sessions", "show", "ada")["session"]["line"]["held_until"] is None


# ---------------------------------------------------------------------------------------------- for real


@pytest.mark.cli
def test_a_real_worker_process_answers(outlive: Outlive) -> None:
    """A worker process with the real CLI and the scripted model answers a message that another process sent."""
    outlive("send", "ada", "My name is Ada", "--message-id", "m1")
    command = [sys.executable, "-m", "outlive", "worker", "--once", "--json", "--model", "scripted"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    turn = json.loads(done.stdout.splitlines()[1])
    assert "your name is Ada" in turn["reply"]
    assert turn["pid"] != os.getpid()
    assert outlive("send", "ada", "x", "--message-id", "m1", "--wait").out.strip() == turn["reply"]


# ---------------------------------------------------------------------------------- a limited invocation


def test_an_invocation_hands_its_turn_over_and_ends(outlive: Outlive) -> None:
    """With `--invocation-seconds` a turn that is not done in time is told as handed over, and its message waits."""
    outlive.monkeypatch.setenv("OUTLIVE_HANDOVER_RESERVE_SECONDS", "0.2")
    outlive("send", "ada", "hello")
    outlive.agent(stuck())
    done = outlive("worker", "--json", "--invocation-seconds", "0.8")
    assert (done.code, [event["event"] for event in done.events]) == (0, ["started", "tool", "handed over", "stopped"])
    assert outlive.ok("queue", "depth")["waiting"] == 1
    shown = outlive.ok("sessions", "show", "ada")["session"]
    assert (shown["line"]["held_until"], len(shown["interrupted"])) == (None, 1)


def test_the_next_invocation_goes_on(outlive: Outlive) -> None:
    """A turn that was handed over is continued by the next worker, whoever that is."""
    outlive.monkeypatch.setenv("OUTLIVE_HANDOVER_RESERVE_SECONDS", "0")
    outlive("send", "ada", "hello")
    outlive.agent(stuck())
    outlive("worker", "--invocation-seconds", "0.5")
    outlive.agent(InstantAgent())
    turn = outlive("worker", "--once", "--json").events[1]
    assert (turn["how"], turn["reply"]) == ("continued", "Message 1: hello")


def test_an_invocation_that_is_all_reserve_is_refused(outlive: Outlive) -> None:
    """An invocation no longer than the reserve exits 2 and names the setting, before a message is taken."""
    assert "OUTLIVE_HANDOVER_RESERVE_SECONDS" in outlive.refused(2, "worker", "--invocation-seconds", "5")["fix"]
