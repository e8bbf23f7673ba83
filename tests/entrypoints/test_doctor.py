"""`outlive doctor`."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from outlive.entrypoints.doctor import agent_checks, machine_checks
from outlive.errors import AgentFailed
from tests.entrypoints.conftest import Outlive, stuck

NAMES = [
    "data folder", "disk space", "clock", "database", "workspaces", "leftovers", "model", "profile", "agent program",
    "isolation",
    "table", "queue", "objects", "archive", "messages", "sessions", "leases", "turns", "API keys",
]  # fmt: skip


@pytest.fixture
def doctor(outlive: Outlive) -> Outlive:
    """The command, with a stand-in for the agent's program and a temporary folder of its own."""
    program = outlive.folder / "claude"
    program.write_text("#!/bin/sh\necho 1.2.3\n")
    program.chmod(0o755)
    outlive.monkeypatch.setattr(agent_checks, "agent_program", lambda: program)
    (outlive.folder / "tmp").mkdir()
    outlive.monkeypatch.setattr("tempfile.tempdir", str(outlive.folder / "tmp"))
    return outlive


def checks(outlive: Outlive, *words: str, code: int = 0) -> dict[str, Any]:
    """What each check found, by its name."""
    done = outlive("doctor", *words, "--json")
    assert (done.code, done.json["ok"]) == (code, code == 0)
    return {check["name"]: check for check in done.json["checks"]}


def status(outlive: Outlive, name: str, *words: str) -> tuple[str, str]:
    """How one check ended, and its fix."""
    done = outlive("doctor", *words, "--json")
    (check,) = [check for check in done.json["checks"] if check["name"] == name]
    assert (check["status"] == "ok") == (check["fix"] is None)
    return check["status"], check["fix"] or ""


def test_a_sound_machine_passes(doctor: Outlive) -> None:
    """On a sound data folder every check is made, none fails, and it exits 0."""
    doctor.say("hello")
    found = checks(doctor)
    assert list(found) == NAMES
    assert {name for name, check in found.items() if check["status"] != "ok"} - {"isolation"} == {"model"}


def test_people_read_a_line_per_check(doctor: Outlive) -> None:
    """Without `--json` each check is a line on stdout, its fix below it, and stderr counts the failures."""
    done = doctor("doctor")
    lines = [line for line in done.out.splitlines() if "fix: " not in line]
    assert [line[6:22].strip() for line in lines] == NAMES
    assert "fix: Set ANTHROPIC_API_KEY" in done.out
    assert done.err == "0 of 19 checks failed.\n"


def test_agents_that_nothing_keeps_apart_are_a_warning(doctor: Outlive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without isolation the check says so and names what would help; a mode this machine cannot do is a failure."""
    monkeypatch.setenv("OUTLIVE_ISOLATION", "none")
    found = checks(doctor)["isolation"]
    assert (found["status"], "OUTLIVE_ISOLATION" in found["fix"]) == ("warn", True)
    monkeypatch.setenv("OUTLIVE_ISOLATION", "user")
    monkeypatch.setenv("OUTLIVE_AGENT_UIDS", "1-2")
    assert checks(doctor, code=1)["isolation"]["status"] == "fail"


@pytest.mark.cli
def test_the_real_program_answers(outlive: Outlive) -> None:
    """The CLI that comes with the SDK starts and tells its version."""
    assert "Claude Code" in checks(outlive)["agent program"]["found"]


# ------------------------------------------------------------------------------------------------- machine


@pytest.mark.parametrize("place", ["file/below", "/proc/outlive"])
def test_a_folder_that_cannot_be_written_fails(doctor: Outlive, place: str) -> None:
    """A data folder that cannot be made fails its own check and the stores', and the others are made."""
    Path("file").write_text("in the way")
    found = checks(doctor, "--data", place, code=1)
    assert (found["data folder"]["status"], found["stores"]["status"]) == ("fail", "fail")
    assert found["agent program"]["status"] == "ok"
    assert found["data folder"]["fix"].startswith("Choose another folder")


@pytest.mark.parametrize(("free", "expected"), [(10 << 20, "fail"), (200 << 20, "warn"), (5 << 30, "ok")])
def test_a_disk_that_fills_up_is_told(doctor: Outlive, free: int, expected: str) -> None:
    """Little free space is a warning, hardly any a failure."""
    doctor.monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    assert status(doctor, "disk space")[0] == expected


def test_a_slow_disk_is_told(doctor: Outlive) -> None:
    """An fsync that takes long is a warning."""
    doctor.monkeypatch.setattr(machine_checks, "_probe", lambda _: 0.2)
    assert status(doctor, "data folder")[0] == "warn"


@pytest.mark.parametrize(("now", "expected"), [(0.0, "fail"), (4e9, "warn")])
def test_a_wrong_clock_is_told(doctor: Outlive, now: float, expected: str) -> None:
    """A clock before this version's making fails; one that differs from the file system's is a warning."""
    doctor.monkeypatch.setattr("time.time", lambda: now)
    assert status(doctor, "clock") == (expected, f"Set {'the clock' if expected == 'fail' else 'both clocks'} (NTP).")


def test_damage_inside_the_database_is_found(doctor: Outlive) -> None:
    """A database with a torn page fails, although it opens."""
    doctor.say(*(f"hello {number}" for number in range(5)))
    path = doctor.folder / "data" / "outlive.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 5] = os.urandom(4096 * 3)
    path.write_bytes(content)
    assert status(doctor, "database")[0] == "fail"


def test_a_file_that_is_no_database_fails(doctor: Outlive) -> None:
    """A database that was overwritten fails its own check and the stores'."""
    doctor.say("hello")
    (doctor.folder / "data" / "outlive.db").write_bytes(b"nothing of the kind " * 400)
    found = checks(doctor, code=1)
    assert (found["database"]["status"], found["stores"]["status"]) == ("fail", "fail")


def test_a_newer_schema_fails(doctor: Outlive) -> None:
    """A database that a newer outlive wrote fails with the advice to upgrade."""
    doctor.say("hello")
    with closing(sqlite3.connect(doctor.folder / "data" / "outlive.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "Upgrade outlive" in status(doctor, "stores")[1]


def test_trees_that_others_can_read_fail(doctor: Outlive) -> None:
    """A folder of trees that is open to others fails with the command that closes it."""
    (doctor.folder / "trees").mkdir(mode=0o755)
    (doctor.folder / "trees").chmod(0o755)
    assert status(doctor, "workspaces") == ("fail", f"Run `chmod 700 {doctor.folder / 'trees'}`.")


def test_trees_that_have_grown_are_told(doctor: Outlive) -> None:
    """Trees over the limit are a warning; their files are counted."""
    doctor.say("write a.txt: 0123456789")
    doctor.monkeypatch.setattr(machine_checks, "MANY_BYTES", 9)
    assert status(doctor, "workspaces")[0] == "warn"


def test_what_a_killed_demo_left_is_told(doctor: Outlive) -> None:
    """An old folder of a demo is a warning with the command that removes it; one of now is not."""
    left = doctor.folder / "tmp" / "outlive-demo-x"
    left.mkdir()
    assert status(doctor, "leftovers")[0] == "ok"
    os.utime(left, (0, 0))
    assert status(doctor, "leftovers") == ("warn", f"Remove them: rm -r {left.parent}/outlive-demo-*")


# --------------------------------------------------------------------------------------------------- agent


def test_which_model_would_answer_is_told(doctor: Outlive) -> None:
    """A real model is ok, the scripted one a warning, a name without a key a failure."""
    assert status(doctor, "model", "--model", "scripted")[0] == "warn"
    assert status(doctor, "model", "--model", "claude-opus-5")[0] == "fail"
    doctor.monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    doctor.monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    done = doctor("doctor", "--model", "claude-opus-5")
    assert "anthropic, claude-opus-5" in done.out
    assert "secret" not in done.out + done.err


def test_bedrock_with_its_own_pair_is_sound(doctor: Outlive) -> None:
    """Region and source of the credentials are told, and no key."""
    for name in ("BEDROCK_ACCESS_KEY_ID", "BEDROCK_SECRET_ACCESS_KEY"):
        doctor.monkeypatch.setenv(name, "sesame")
    doctor.monkeypatch.setenv("OUTLIVE_BEDROCK_REGION", "eu-west-1")
    done = doctor("doctor", "--model", "eu.anthropic.x")
    assert "bedrock, eu.anthropic.x, eu-west-1, credentials: its own key pair" in done.out
    assert "sesame" not in done.out + done.err
    assert status(doctor, "model", "--model", "eu.anthropic.x") == ("ok", "")
    assert status(doctor, "model") == ("warn", "Set OUTLIVE_MODEL.")


def test_bedrock_with_the_workers_own_role_is_a_warning(doctor: Outlive) -> None:
    """The agent would share the worker's credentials; a region that is missing is a failure."""
    doctor.monkeypatch.setenv("CLAUDE_CODE_USE_BEDROCK", "1")
    assert status(doctor, "model", "--model", "x")[0] == "fail"
    doctor.monkeypatch.setenv("AWS_REGION", "eu-west-1")
    found, fix = status(doctor, "model", "--model", "x")
    assert (found, "BEDROCK_ACCESS_KEY_ID" in fix) == ("warn", True)


def test_a_profile_that_is_not_there_fails(doctor: Outlive) -> None:
    """An unknown profile fails, and those that are there are named."""
    found, fix = status(doctor, "profile", "--profile", "defualt")
    assert (found, fix.startswith("Use one of: default; ")) == ("fail", True)


@pytest.mark.parametrize("script", ["exit 1", "kill -9 $$"])
def test_a_program_that_does_not_run_fails(doctor: Outlive, script: str) -> None:
    """A CLI that ends with an error, or is killed, fails."""
    (doctor.folder / "claude").write_text(f"#!/bin/sh\n{script}\n")
    assert status(doctor, "agent program")[0] == "fail"


def test_a_program_that_is_not_there_fails(doctor: Outlive) -> None:
    """Without the CLI the check fails, and so does one whose file cannot be started."""

    def missing() -> Path:
        raise AgentFailed("there is no program.", fix="Install it.")

    (doctor.folder / "claude").unlink()
    assert status(doctor, "agent program")[0] == "fail"
    doctor.monkeypatch.setattr(agent_checks, "agent_program", missing)
    assert status(doctor, "agent program") == ("fail", "Install it.")


def test_a_program_that_hangs_fails(doctor: Outlive) -> None:
    """A CLI that does not answer in time fails."""
    doctor.monkeypatch.setattr(agent_checks, "PATIENCE", 0.2)
    (doctor.folder / "claude").write_text(f"#!{sys.executable}\nimport time; time.sleep(60)\n")
    assert status(doctor, "agent program")[0] == "fail"


# ------------------------------------------------------------------------------------------------ sessions


def test_dead_letters_are_told(doctor: Outlive) -> None:
    """A dead letter is a warning that names the command to look at it."""
    doctor("send", "ada", "x")
    doctor.bury()
    assert status(doctor, "messages") == ("warn", "See `outlive queue dead`.")


def test_a_head_that_cannot_be_read_fails(doctor: Outlive) -> None:
    """A damaged head fails, whatever tenant it belongs to."""
    doctor.say("x", key="acme:console:ada:t")
    doctor.break_head("bob")
    assert status(doctor, "sessions", "--tenant", "acme")[0] == "fail"


def test_a_head_from_the_future_is_told(doctor: Outlive) -> None:
    """A session that was changed later than now is a warning about clocks."""
    doctor.say("hello")
    doctor.monkeypatch.setattr("outlive.clock.SystemClock.now", lambda _: time.time() - 3600)
    assert "clocks" in status(doctor, "sessions")[1]


def test_a_dead_holder_is_told(doctor: Outlive) -> None:
    """A lease that ran out without being given back is a warning; one that lasts is none."""
    doctor.say("hello")
    doctor.hold("ada")
    assert status(doctor, "leases")[0] == "ok"
    doctor.monkeypatch.setattr("outlive.clock.SystemClock.now", lambda _: time.time() + 50)
    assert status(doctor, "leases")[0] == "warn"


def test_an_interrupted_turn_is_told(doctor: Outlive) -> None:
    """A turn that was flushed and not committed is a warning that names the session."""
    doctor.agent(stuck(signal.SIGTERM))
    doctor("chat", "--session", "ada", stdin="hello\n")
    found = checks(doctor)["turns"]
    assert found["status"] == "warn"
    assert doctor.ok("sessions", "list")["sessions"][0]["session_id"] in found["found"]
