"""`outlive sessions rewind`."""

from __future__ import annotations

from tests.entrypoints.conftest import Outlive


def test_an_older_version_becomes_the_newest(outlive: Outlive) -> None:
    """After a rewind the agent knows what it knew at that version, and the session has one version more."""
    outlive.say("one", "two")
    assert outlive.ok("sessions", "rewind", "ada", "1")["after"] == 3
    assert outlive.say("other")[0].line.reply == "Message 2: other"


def test_people_are_told_what_holds_what(outlive: Outlive) -> None:
    """Stdout says which version holds which one's files, and that the last one is kept."""
    outlive.say("one", "two")
    assert outlive("sessions", "rewind", "ada", "1").out == (
        "Version 3 holds what version 1 held; version 2 is kept.\n"
    )


def test_files_alone_become_older(outlive: Outlive) -> None:
    """With `--files-only` the agent still knows what was said since, and people are told that only files went back."""
    outlive.say("one", "two")
    assert outlive("sessions", "rewind", "ada", "1", "--files-only").out == (
        "Version 3 holds the files that version 1 held; version 2 is kept.\n"
    )
    assert outlive.say("other")[0].line.reply == "Message 3: other"


def test_a_running_turn_is_not_disturbed(outlive: Outlive) -> None:
    """A session that is held exits 1, names the holder's time, and is unchanged."""
    outlive.say("one", "two")
    outlive.hold("ada")
    assert outlive.refused(1, "sessions", "rewind", "ada", "1")["type"] == "Conflict"
    assert outlive.ok("sessions", "show", "ada")["session"]["line"]["version"] == 2


def test_a_version_that_is_not_there_is_refused(outlive: Outlive) -> None:
    """An unknown version exits 2 and names those that are there."""
    outlive.say("one")
    assert outlive.refused(2, "sessions", "rewind", "ada", "9")["fix"]
