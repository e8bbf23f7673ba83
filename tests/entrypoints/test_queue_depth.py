"""`outlive queue depth`."""

from __future__ import annotations

from tests.entrypoints.conftest import Outlive


def test_messages_are_counted_by_where_they_are(outlive: Outlive) -> None:
    """Waiting messages and dead letters are counted apart."""
    outlive("send", "ada", "x")
    outlive.bury()
    outlive("send", "bob", "x")
    assert outlive.ok("queue", "depth") == {"waiting": 1, "in_flight": 0, "dead": 1}
    assert outlive("queue", "depth").out.splitlines() == ["waiting    1", "in_flight  0", "dead       1"]
