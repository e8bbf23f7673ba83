"""`outlive queue depth`."""

from __future__ import annotations

from tests.entrypoints.conftest import Outlive


def test_messages_are_counted_by_where_they_are(outlive: Outlive) -> None:
    """Waiting messages and dead letters are counted apart."""
    outlive("send", "ada", "x")
    outlive.bury()
    outlive("send", "bob", "x")
    assert outlive.ok("queue", "depth") == {
        "waiting": 1, "in_flight": 0, "dead": 1, "undelivered_sessions": 0, "dead_replies": 0
    }  # fmt: skip
    lines = outlive("queue", "depth").out.splitlines()
    assert [line.split() for line in lines[:3]] == [["waiting", "1"], ["in_flight", "0"], ["dead", "1"]]
