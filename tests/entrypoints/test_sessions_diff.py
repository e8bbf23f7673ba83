"""`outlive sessions diff`."""

from __future__ import annotations

from tests.entrypoints.conftest import Outlive


def test_changed_files_are_listed(outlive: Outlive) -> None:
    """Each path that is not the same is listed with what became of it, and its sizes."""
    outlive.say("write a.txt: x", "write b.txt: yy", "delete a.txt")
    out = outlive("sessions", "diff", "ada", "1", "3").out
    assert "D  work/a.txt  1 bytes\n" in out
    assert "A  work/b.txt  2 bytes\n" in out
    assert "M  ledger.jsonl" in out


def test_text_is_shown_line_by_line(outlive: Outlive) -> None:
    """With `--text` a small text file is a unified diff."""
    outlive.say("write a.txt: old", "write a.txt: new")
    out = outlive("sessions", "diff", "ada", "1", "2", "--text").out
    assert "--- a/work/a.txt\n+++ b/work/a.txt\n" in out
    assert "-old\n" in out
    assert "+new\n" in out


def test_the_document_names_both_versions(outlive: Outlive) -> None:
    """The JSON document has the two versions and a change per path."""
    outlive.say("write a.txt: x", "write a.txt: y")
    diff = outlive.ok("sessions", "diff", "ada", "1", "2")
    assert (diff["older"], diff["newer"]) == (1, 2)
    assert ("work/a.txt", "changed") in [(change["path"], change["change"]) for change in diff["changes"]]


def test_equal_versions_have_no_changes(outlive: Outlive) -> None:
    """A version against itself prints nothing on stdout, and says so."""
    outlive.say("one")
    done = outlive("sessions", "diff", "ada", "1", "1")
    assert (done.code, done.out) == (0, "")
    assert "the same files" in done.err


def test_a_version_that_is_not_there_is_refused(outlive: Outlive) -> None:
    """An unknown version exits 2 and names those that are there."""
    outlive.say("one")
    error = outlive.refused(2, "sessions", "diff", "ada", "1", "7")
    assert "7" in error["message"]
