"""The command line itself: what it loads, its exit codes, its errors."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from outlive import errors
from outlive.entrypoints import cli
from outlive.entrypoints.help_sections import SECTIONS
from tests.entrypoints.conftest import NO_REPLIES_LEFT, Outlive

HEAVY = ("claude_agent_sdk", "obstore", "starlette", "pydantic_settings", "asyncio", "sqlite3", "rich", "structlog")
COMMANDS = [
    [],
    *([name] for name in cli.COMMANDS),
    *(["sessions", name] for name in cli.SESSIONS),
    *(["queue", name] for name in cli.QUEUE),
]


def python(code: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that runs this."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_the_version_is_printed(outlive: Outlive) -> None:
    """`--version` prints the package's version and exits 0."""
    done = outlive("--version")
    assert (done.code, done.out) == (0, f"outlive {version('outlive')}\n")


def test_help_and_version_load_next_to_nothing() -> None:
    """Neither the version nor any command's help imports the agent SDK, a store, the settings or the event loop."""
    calls = "".join(f"run_with({[*words, '--help']!r});" for words in [*COMMANDS, ["sessions"], ["queue"]])
    done = python(
        f"import sys; from outlive.entrypoints.cli import run_with; run_with(['--version']); {calls}"
        f"sys.stderr.write(repr(sorted(set({HEAVY!r}) & set(sys.modules))))"
    )
    assert (done.returncode, done.stderr) == (0, "[]")
    assert done.stdout.count("Usage: outlive") == len(COMMANDS) + 2


@pytest.mark.parametrize("words", [words for words in COMMANDS if words])
def test_every_command_explains_itself(outlive: Outlive, words: list[str]) -> None:
    """Each command's help has a first line that a listing shows whole."""
    done = outlive(*words, "--help")
    group = outlive(*words[:-1], "--help").out
    first = done.out.split("\n\n")[1].strip()
    assert done.code == 0
    assert any(line.split() == [words[-1], *first.split()] for line in group.splitlines())


def test_the_module_runs_as_the_command() -> None:
    """`python -m outlive` is the command."""
    done = subprocess.run([sys.executable, "-m", "outlive", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"outlive {version('outlive')}\n"


@pytest.mark.parametrize("words", [[], ["sessions"], ["queue"]])
def test_without_a_command_the_help_is_shown(outlive: Outlive, words: list[str]) -> None:
    """A name without a command exits 2, with the help on stderr."""
    done = outlive(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: ")


def test_every_command_is_in_one_section_of_the_help() -> None:
    """The help names each command once, under a heading."""
    names = [name for section in SECTIONS.values() for name in section]
    assert sorted(names) == sorted(typer.main.get_command(cli.app).commands)


# ---------------------------------------------------------------------------------------------- exit codes


def raising(error: BaseException) -> object:
    """A command line that fails like this."""

    def run(*_words: object, **_options: object) -> None:
        raise error

    return run


EXITS = [
    (errors.Invalid, 2), (errors.TooLarge, 2), (errors.Refused, 1), (errors.NotFound, 1), (errors.Conflict, 1),
    (errors.AlreadyExists, 1), (errors.VersionConflict, 1), (errors.LeaseLost, 1), (errors.Corrupt, 1),
    (errors.SchemaTooNew, 1), (errors.Unavailable, 1), (errors.AgentFailed, 1),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "code"), EXITS)
def test_every_known_error_has_its_exit_code(outlive: Outlive, kind: type[errors.OutliveError], code: int) -> None:
    """The exit codes are those that the error tree states, and error and fix are a line each on stderr."""
    outlive.monkeypatch.setattr(cli, "app", raising(kind("It broke.", fix="Mend it.")))
    done = outlive("anything")
    assert (done.code, done.out, done.err) == (code, "", "error: It broke.\nfix:   Mend it.\n")


@pytest.mark.parametrize("asked", ["--json", "OUTLIVE_JSON"])
def test_errors_are_json_when_asked(outlive: Outlive, asked: str) -> None:
    """With the option or the variable an error is one JSON object on stderr, and stdout is empty."""
    outlive.monkeypatch.setattr(cli, "app", raising(errors.NotFound("It is gone.")))
    outlive.monkeypatch.setenv("OUTLIVE_JSON", "1" if asked == "OUTLIVE_JSON" else "")
    done = outlive("anything", *([asked] if asked == "--json" else []))
    assert (done.code, done.out) == (1, "")
    assert done.error == {"type": "NotFound", "message": "It is gone.", "fix": None}


def test_the_variable_asks_for_json_data_as_well(outlive: Outlive) -> None:
    """`OUTLIVE_JSON` makes a command print its JSON document, and is no unknown setting."""
    outlive.monkeypatch.setenv("OUTLIVE_JSON", "1")
    assert outlive("queue", "depth").json == {"waiting": 0, "in_flight": 0, "dead": 0, **NO_REPLIES_LEFT}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), typer.Abort()])
def test_an_interrupt_is_130(outlive: Outlive, error: BaseException) -> None:
    """Ctrl-C, and a question that was answered with no, exit 130 without a word."""
    outlive.monkeypatch.setattr(cli, "app", raising(error))
    done = outlive("anything")
    assert (done.code, done.err) == (130, "")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["wroker"], "Did you mean 'worker'?"),
        (["worker", "--turns", "x"], "--turns"),
        (["worker", "--turns", "0"], "--turns"),
        (["send", "ada"], "text"),
        (["send", "ada", "x", "--nonsense"], "--nonsense"),
        (["sessions", "diff", "ada", "one", "2"], "older"),
    ],
)
def test_a_wrong_word_is_2(outlive: Outlive, words: list[str], part: str) -> None:
    """An unknown command or option, a missing argument and a value out of range exit 2 and point at the help."""
    error = outlive.refused(2, *words)
    assert part in error["message"]
    assert "--help" in error["fix"]


# -------------------------------------------------------------------------------------------------- defects


def test_a_defect_leaves_a_log_ready_for_an_issue(outlive: Outlive) -> None:
    """An error nobody expected exits 3 and names a file that holds the versions and the traceback."""
    outlive.monkeypatch.setattr(cli, "app", raising(ZeroDivisionError("by zero")))
    outlive.monkeypatch.setattr("tempfile.tempdir", str(outlive.folder))
    done = outlive("anything")
    (log,) = outlive.folder.glob("outlive-*.log")
    assert (done.code, str(log) in done.err) == (3, True)
    text = log.read_text()
    assert text.startswith(f"outlive {version('outlive')}, Python ")
    assert "ZeroDivisionError: by zero" in text


def test_a_defect_on_a_full_disk_is_told_as_well(outlive: Outlive) -> None:
    """When the log cannot be written the traceback goes to stderr, and the exit code is still 3."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    outlive.monkeypatch.setattr(cli, "app", raising(ZeroDivisionError("by zero")))
    outlive.monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    done = outlive("anything")
    assert done.code == 3
    assert "Traceback" in done.err


def test_a_reader_that_leaves_is_no_defect() -> None:
    """When whoever read stdout has gone the command exits 1 without a traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "outlive", "--help"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_defect(outlive: Outlive, streams: str) -> None:
    """With stdin, stdout or stderr closed a command does its work and exits 0."""
    command = f'"{sys.executable}" -m outlive chat {streams if "<" in streams else "</dev/null " + streams}'
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0


def test_text_that_a_terminal_cannot_show_is_replaced(outlive: Outlive) -> None:
    """A reply is printed on a terminal of another encoding, with a question mark for what it lacks."""
    outlive.say("café")
    done = subprocess.run(
        [sys.executable, "-m", "outlive", "sessions", "show", "ada"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "agent: Message 1: caf?" in done.stdout


def test_json_is_ascii(outlive: Outlive) -> None:
    """JSON goes through any terminal and any pipe: what is not ASCII, half a character too, is escaped."""
    outlive.say("caf\u00e9 \ud800")
    done = outlive("sessions", "show", "ada", "--json")
    assert done.out.isascii()
    assert json.loads(done.out)["conversation"]["turns"][0]["text"] == "caf\u00e9 \ud800"


def test_no_log_is_left_by_what_is_expected(outlive: Outlive) -> None:
    """An error that is known writes no log."""
    outlive.monkeypatch.setattr("tempfile.tempdir", str(outlive.folder))
    outlive.refused(1, "sessions", "show", "nobody")
    assert not list(Path(outlive.folder).glob("*.log"))
