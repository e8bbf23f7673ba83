"""`outlive stats`."""

from __future__ import annotations

from tests.entrypoints.conftest import Outlive


def test_what_a_worker_did_is_shown_after_it_has_ended(outlive: Outlive) -> None:
    """Two turns of one session are counted when their process ends, in JSON and for people, and a sweep agrees."""
    outlive.say("hello")
    outlive.say("again")
    told = outlive.ok("stats")
    assert (told["sessions"], told["turns"], told["counted_at"]) == (1, 2, None)
    assert "counted anew" in outlive("stats").out
    outlive.ok("sweep")
    swept = outlive.ok("stats")
    assert swept["counted_at"] > 0
    assert {**swept, "counted_at": None} == told


def test_nothing_is_nothing(outlive: Outlive) -> None:
    """Without a session every number is zero."""
    assert not any(outlive.ok("stats").values())
