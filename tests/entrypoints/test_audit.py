"""`outlive audit`, and the commands for a session that runs."""

from __future__ import annotations

from tests.entrypoints.conftest import Outlive


def test_changes_of_commands_are_told(outlive: Outlive) -> None:
    """Each command that changes something leaves who, what and where, the newest first; one that fails leaves none."""
    outlive.say("one", "two")
    outlive.ok("sessions", "rewind", "ada", "1")
    outlive.ok("limits", "set", "--max-usd-per-day", "none")
    outlive.refused(2, "sessions", "rewind", "ada", "99")
    newest, oldest = outlive.ok("audit")["entries"]
    assert (newest["what"], newest["details"]) == ("limits.changed", {"max_usd_per_day": "none"})
    assert (oldest["what"], oldest["session_key"]) == ("session.rewound", "local:console:ada:default")
    assert oldest["details"] == {"version": "1"}
    assert "@" in oldest["by"]


def test_a_key_gets_a_new_session_and_nothing_runs(outlive: Outlive) -> None:
    """`sessions new` points the key elsewhere, `sessions stop` says that no turn runs, and the tenant is listed."""
    outlive.say("one")
    assert len(outlive.ok("sessions", "new", "ada")["session_id"]) == 32
    assert outlive.say("other")[0].line.reply == "Message 1: other"
    assert outlive.ok("sessions", "stop", "ada") == {"stopping": False, "message": "No turn is running."}
    assert outlive.ok("tenants")["tenants"] == ["local"]
