"""`outlive sessions versions`."""

from __future__ import annotations

from tests.entrypoints.conftest import Outlive


def test_versions_are_listed_newest_first(outlive: Outlive) -> None:
    """Each turn is a version with its message and what it changed."""
    outlive.say("one", "write a.txt: x")
    found = outlive.ok("sessions", "versions", "ada")["versions"]
    assert [(each["version"], each["message"]) for each in found] == [(2, "write a.txt: x"), (1, "one")]
    assert all(each["bytes_stored"] > 0 for each in found)


def test_people_read_a_table(outlive: Outlive) -> None:
    """Without `--json` there is a line per version below the heading."""
    outlive.say("one", "two")
    lines = outlive("sessions", "versions", "ada").out.splitlines()
    assert [line.split()[0] for line in lines] == ["version", "2", "1"]


def test_a_full_page_says_how_to_go_on(outlive: Outlive) -> None:
    """The hint's `--before` gives the versions below the page."""
    outlive.say("one", "two", "three")
    assert "--before 2" in outlive("sessions", "versions", "ada", "--limit", "2").err
    older = outlive.ok("sessions", "versions", "ada", "--limit", "2", "--before", "2")["versions"]
    assert [each["version"] for each in older] == [1]


def test_what_is_no_longer_kept_is_said(outlive: Outlive) -> None:
    """When older versions are gone the setting that decides it is named."""
    outlive.monkeypatch.setenv("OUTLIVE_KEEP_VERSIONS", "2")
    outlive.say("one", "two", "three", "four")
    outlive("sweep")
    assert "OUTLIVE_KEEP_VERSIONS" in outlive("sessions", "versions", "ada").err
