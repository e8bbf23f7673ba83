"""`outlive sessions fork`."""

from __future__ import annotations

from tests.entrypoints.conftest import Outlive


def test_a_fork_goes_on_from_its_version(outlive: Outlive) -> None:
    """The fork has the conversation of the version it was made from, and the first session keeps its own."""
    outlive.say("one", "two")
    assert outlive.ok("sessions", "fork", "ada", "--version", "1", "--key", "copy")["source_version"] == 1
    assert outlive.say("other", key="copy")[0].line.reply == "Message 2: other"
    assert outlive.say("three")[0].line.reply == "Message 3: three"


def test_its_key_is_printed(outlive: Outlive) -> None:
    """Stdout holds the fork's key alone, which finds it."""
    outlive.say("one")
    done = outlive("sessions", "fork", "ada")
    assert done.code == 0
    assert outlive.ok("sessions", "show", done.out.strip())["session"]["line"]["version"] == 1


def test_a_key_in_use_is_refused(outlive: Outlive) -> None:
    """A key that has a session exits 1, and no session is made."""
    outlive.say("one")
    assert outlive.refused(1, "sessions", "fork", "ada", "--key", "ada")["type"] == "AlreadyExists"
    assert len(outlive.ok("sessions", "list")["sessions"]) == 1


def test_another_tenants_key_is_refused(outlive: Outlive) -> None:
    """A fork cannot leave its tenant."""
    outlive.say("one")
    assert outlive.refused(1, "sessions", "fork", "ada", "--key", "b:console:ada:t")["type"] == "Refused"
