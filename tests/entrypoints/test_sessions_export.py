"""`outlive sessions export`."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from tests.entrypoints.conftest import Outlive


def names(path: str) -> list[str]:
    """What is in an archive, without the folders of the sessions."""
    with tarfile.open(path) as archive:
        return [name.partition("/")[2] or name for name in archive.getnames()]


def test_a_session_is_written_whole(outlive: Outlive) -> None:
    """The archive holds the files, the ledger and the head; stdout holds its path alone."""
    outlive.say("write a.txt: x")
    done = outlive("sessions", "export", "ada", "--to", "ada.tar")
    assert (done.code, done.out) == (0, "ada.tar\n")
    assert {"outlive-export.json", "session.json", "ledger.jsonl", "tree/work/a.txt"} <= set(names("ada.tar"))


def test_an_older_version_can_be_written(outlive: Outlive) -> None:
    """`--version` writes the files of that version."""
    outlive.say("write a.txt: x", "delete a.txt")
    outlive.ok("sessions", "export", "ada", "--to", "now.tar")
    outlive.ok("sessions", "export", "ada", "--to", "then.tar", "--version", "1")
    assert ("tree/work/a.txt" in names("now.tar"), "tree/work/a.txt" in names("then.tar")) == (False, True)


@pytest.mark.parametrize(
    ("words", "count"), [(["--user", "ada"], 2), (["--user", "ada", "--channel", "x"], 0), (["--all"], 3)]
)
def test_many_sessions_go_into_one_archive(outlive: Outlive, words: list[str], count: int) -> None:
    """A user's sessions, or all of the tenant, are written together."""
    for key in ("ada", "ada:work", "bob"):
        outlive.say("x", key=key)
    assert len(outlive.ok("sessions", "export", *words, "--to", "many.tar")["sessions"]) == count


def test_an_archive_is_not_replaced_unasked(outlive: Outlive) -> None:
    """A name that is taken exits 1 and stays as it is, unless `--overwrite` is given."""
    outlive.say("x")
    Path("ada.tar").write_text("mine")
    assert outlive.refused(1, "sessions", "export", "ada", "--to", "ada.tar")["type"] == "AlreadyExists"
    assert Path("ada.tar").read_text() == "mine"
    outlive.ok("sessions", "export", "ada", "--to", "ada.tar", "--overwrite")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--to", "a.tar"], "not clear which sessions"),
        (["ada", "--all", "--to", "a.tar"], "not clear which sessions"),
        (["ada", "--channel", "x", "--to", "a.tar"], "--channel goes with --user"),
        (["--all", "--version", "1", "--to", "a.tar"], "--version is for one session"),
        (["ada", "--to", "a.zip"], "a.zip is no name for an archive"),
        (["ada", "--to", "gone/a.tar"], "cannot be written"),
        (["ada"], "--to"),
    ],
)
def test_a_request_that_is_not_clear_is_refused(outlive: Outlive, words: list[str], part: str) -> None:
    """Targets that exclude each other, and places that cannot be written, exit 2 and leave no file."""
    outlive.say("x")
    assert part in outlive.refused(2, "sessions", "export", *words)["message"]
    assert not list(Path().glob("*.tar*"))
