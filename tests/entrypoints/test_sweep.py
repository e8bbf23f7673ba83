"""`outlive sweep`."""

from __future__ import annotations

from tests.entrypoints.conftest import Outlive


def test_what_no_kept_version_needs_is_removed(outlive: Outlive) -> None:
    """With fewer versions to keep, packs and bytes are removed, and the session goes on."""
    outlive.monkeypatch.setenv("OUTLIVE_KEEP_VERSIONS", "1")
    outlive.say(*(f"turn {number}" for number in range(8)))
    swept = outlive.ok("sweep")
    assert swept["sessions"] == 1
    assert swept["removed"] > 0
    assert outlive.say("more")[0].line.reply == "Message 9: more"


def test_people_read_what_was_done(outlive: Outlive) -> None:
    """Without `--json` each kind of thing removed has a line."""
    outlive.say("x")
    done = outlive("sweep")
    assert (done.code, done.err) == (0, "")
    assert "sessions swept" in done.out
    assert "packs removed              0, 0 bytes" in done.out


def test_a_damaged_session_is_told_and_keeps_no_other_from_it(outlive: Outlive) -> None:
    """A head that cannot be read is named and makes the exit code 1; the other sessions are swept."""
    outlive.say("x")
    outlive.break_head("bob")
    done = outlive("sweep", "--json")
    assert (done.code, done.json["sessions"], len(done.json["damaged"])) == (1, 1, 1)
    assert "damaged: " in outlive("sweep").err
