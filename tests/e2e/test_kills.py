"""Real worker processes with the real CLI below them, really killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest

from outlive.agents.program import find_cli
from outlive.entrypoints.cli import run_with
from outlive.testing.scripted_model import script
from tests.agents.places import others_can_run, passable_folder

pytestmark = [
    pytest.mark.cli,
    pytest.mark.skipif(not Path("/proc").exists(), reason="processes are found through /proc, which only Linux has"),
]

SLOW = script(
    {"tool": "Bash", "input": {"command": "echo began >> log.txt; sleep 2; echo ended >> log.txt"}}, {"text": "done"}
)


class Machine:
    """One data folder, and workers that come and go."""

    def __init__(self, base: Path, **settings: str) -> None:
        self.base = base
        self._workers: list[subprocess.Popen[str]] = []
        self._env = {
            name: value for name, value in os.environ.items() if not name.startswith(("OUTLIVE_", "ANTHROPIC_"))
        }
        self._env |= {
            "OUTLIVE_DATA": str(base / "data"),
            "OUTLIVE_WORKSPACES": str(base / "host"),
            "OUTLIVE_MODEL": "scripted",
            "OUTLIVE_ISOLATION": "auto" if others_can_run(find_cli(None)) else "none",
            "OUTLIVE_LEASE_SECONDS": "5",
            "OUTLIVE_VISIBILITY_SECONDS": "3",
            "OUTLIVE_GRACE_SECONDS": "0.5",
            "OUTLIVE_FLUSH_SECONDS": "0.2",
        }
        self._env |= {f"OUTLIVE_{name.upper()}": value for name, value in settings.items()}
        (base / "host").mkdir(mode=0o700)

    def run(self, *words: str) -> str:
        """A command to its end; its stdout. In this process: one of its own costs a second to start."""
        out, err = StringIO(), StringIO()
        with patch.dict(os.environ, self._env, clear=True), redirect_stdout(out), redirect_stderr(err):
            code = run_with(list(words))
        assert code == 0, err.getvalue()
        return out.getvalue()

    def worker(self, turns: int | None = 1) -> subprocess.Popen[str]:
        """A worker for one turn, for so many, or for as long as it lives."""
        limit = [] if turns is None else ["--turns", str(turns)]
        command = [sys.executable, "-m", "outlive", "worker", "--json", *limit]
        started = subprocess.Popen(command, env=self._env, stdout=subprocess.PIPE, text=True)
        self._workers.append(started)
        return started

    def processes(self) -> list[int]:
        """Every living process that works in one of this machine's trees: the CLI, its tools, their supervisors."""
        place, found = str(self.base / "host").encode(), []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and not _is_worker(folder):
                environ = _read(folder / "environ")
                if b"CLAUDE_CONFIG_DIR=" + place in environ and _read(folder / "stat").split()[2:3] != [b"Z"]:
                    found.append(int(folder.name))
        return found

    def held_until(self) -> float | None:
        """When the lease of the one session runs out; None when it is free."""
        return json.loads(self.run("sessions", "show", "ada", "--json"))["session"]["line"]["held_until"]

    def forget_trees(self) -> None:
        """As on a machine that has never seen the sessions."""
        for path in (self.base / "host").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def close(self) -> None:
        """End what is left."""
        for worker in self._workers:
            worker.kill()
            worker.wait()
            if worker.stdout:
                worker.stdout.close()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _is_worker(folder: Path) -> bool:
    return b"\0worker\0" in _read(folder / "cmdline")


def events(worker: subprocess.Popen[str]) -> Iterator[dict[str, object]]:
    """What the worker says, as it says it."""
    assert worker.stdout is not None
    yield from (json.loads(line) for line in worker.stdout)


def until_gone(machine: Machine) -> list[int]:
    """The processes that are left after a while; none, if all is well."""
    deadline = time.monotonic() + 10
    while (left := machine.processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine with nothing on it."""
    with passable_folder() as base:
        found = Machine(base)
        yield found
        found.close()


def _in_the_tool(machine: Machine) -> subprocess.Popen[str]:
    """A worker whose turn is running its tool, some flush windows long."""
    machine.run("send", "ada", SLOW, "--message-id", "m1")
    worker = machine.worker()
    assert any(event["event"] == "tool" for event in events(worker))
    time.sleep(1.0)
    assert machine.processes(), "the CLI runs"
    return worker


def _next_turn(machine: Machine) -> dict[str, object]:
    return next(event for event in events(machine.worker()) if event["event"] == "turn")


@pytest.mark.promise("P1")
@pytest.mark.promise("P12")
def test_a_killed_worker_leaves_no_process_and_its_turn_is_finished(machine) -> None:
    """After SIGKILL of a worker no CLI and no tool goes on, and the next worker finishes that very turn, once."""
    worker = _in_the_tool(machine)
    worker.send_signal(signal.SIGKILL)
    assert machine.held_until() is not None
    assert until_gone(machine) == []
    turn = _next_turn(machine)
    assert (turn["how"], turn["before"], turn["after"]) == ("continued", 0, 1)
    assert until_gone(machine) == []


@pytest.mark.promise("P12")
def test_a_stopped_worker_gives_everything_back_at_once(machine) -> None:
    """After SIGTERM the turn is stored as far as it got and nothing is locked: the next worker goes on at once."""
    worker = _in_the_tool(machine)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=15) == 0
    assert until_gone(machine) == []
    assert machine.held_until() is None
    turn = _next_turn(machine)
    assert (turn["how"], turn["after"]) == ("continued", 1)
