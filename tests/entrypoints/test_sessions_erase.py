"""`outlive sessions erase`."""

from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest

from tests.entrypoints.conftest import Outlive


def test_nothing_of_the_session_is_left(outlive: Outlive) -> None:
    """After an erase the session is gone, no pack and no file of it is left, and the receipt says so."""
    outlive.say("remember the xylophone", "write xylophone.txt: xylophone")
    receipt = outlive.ok("sessions", "erase", "ada", "--yes")
    assert receipt["complete"]
    assert all(tier["left"] == 0 for tier in receipt["tiers"])
    assert sum(tier["found"] for tier in receipt["tiers"]) > 4
    outlive.refused(1, "sessions", "show", "ada")
    assert not list(outlive.folder.rglob("*xylophone*"))


def test_people_get_a_receipt_too(outlive: Outlive) -> None:
    """Without `--json` there is a line per tier with what was found and what is left, and what is not covered."""
    outlive.say("x")
    done = outlive("sessions", "erase", "ada", "--yes")
    assert [line.split()[-1] for line in done.out.splitlines()] == ["left", *"0000000000"]
    assert "not covered: " in done.err


def test_it_is_not_done_unconfirmed(outlive: Outlive) -> None:
    """From a pipe an erase without `--yes` exits 2, and the session is there."""
    outlive.say("x")
    assert outlive.refused(2, "sessions", "erase", "ada")["fix"] == "Pass --yes."
    assert outlive.ok("sessions", "list")["sessions"]


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 0), ("n\n", 130, 1), ("\x04", 130, 1)])
def test_a_person_is_asked(outlive: Outlive, answer: str, code: int, left: int) -> None:
    """At a terminal only yes erases; no, or the end of input, exits 130 and leaves the session."""
    outlive.say("x")
    keyboard, line = pty.openpty()
    os.write(keyboard, answer.encode())
    with os.fdopen(line) as stdin:
        done = outlive.with_stdin(stdin, "sessions", "erase", "ada")
    os.close(keyboard)
    assert (done.code, len(outlive.ok("sessions", "list")["sessions"])) == (code, left)
    assert "Erase session ada? It cannot be undone." in done.err


@pytest.mark.parametrize(("words", "left"), [(["--user", "ada"], 1), (["--all"], 0)])
def test_many_are_erased_together(outlive: Outlive, words: list[str], left: int) -> None:
    """A user's sessions, or all of the tenant, are erased; others stay."""
    for key in ("ada", "ada:work", "bob"):
        outlive.say("x", key=key)
    assert len(outlive.ok("sessions", "erase", *words, "--yes")["erased"]) == 3 - left
    assert len(outlive.ok("sessions", "list")["sessions"]) == left


def test_a_running_turn_is_left_alone(outlive: Outlive) -> None:
    """A held session is refused by name, and when erased with others it is kept, named, and the exit code is 1."""
    outlive.say("x")
    outlive.hold("ada")
    assert outlive.refused(1, "sessions", "erase", "ada", "--yes")["type"] == "Conflict"
    done = outlive("sessions", "erase", "--user", "ada", "--yes")
    assert (done.code, "left alone: session" in done.err) == (1, True)


def test_force_takes_the_lease(outlive: Outlive) -> None:
    """With `--force` a held session is erased, after one lease time."""
    outlive.monkeypatch.setenv("OUTLIVE_LEASE_SECONDS", "0.3")
    outlive.say("x")
    outlive.hold("ada")
    assert outlive.ok("sessions", "erase", "ada", "--yes", "--force")["complete"]


def test_local_trees_go_as_well(outlive: Outlive) -> None:
    """The tree on this machine is empty after the erase."""
    (turn,) = outlive.say("write a.txt: x")
    outlive.ok("sessions", "erase", turn.session_id, "--yes")
    assert not [path for path in Path(outlive.folder / "trees").glob("*/**/*") if path.is_file()]
