"""`outlive link`, `outlive schedule`, `outlive queue show` and `purge`."""

from __future__ import annotations

import time

import pytest

from outlive.entrypoints.terminal.times import epoch_of, seconds_of
from outlive.errors import Invalid
from tests.entrypoints.conftest import Outlive


def test_a_link_goes_from_code_to_code(outlive: Outlive) -> None:
    """A code that was created is redeemed, listed and removed by the commands."""
    outlive.say("one")
    code = outlive.ok("link", "create", "ada")["code"]
    session_id = outlive.ok("link", "redeem", "phone", code)["session_id"]
    links = outlive.ok("link", "list", "ada")["links"]
    assert {(link["session_key"], link["session_id"]) for link in links} == {
        ("local:console:ada:default", session_id),
        ("local:console:phone:default", session_id),
    }
    assert outlive.ok("link", "remove", "phone")["session_id"] != session_id
    assert outlive.refused(1, "link", "redeem", "phone", code)["type"] == "NotFound"


def test_a_schedule_is_added_listed_and_removed(outlive: Outlive) -> None:
    """A schedule is listed with its next time until it is removed."""
    made = outlive.ok("schedule", "add", "ada", "stand-up", "--cron", "0 9 * * mon-fri", "--zone", "Europe/Berlin")
    (listed,) = outlive.ok("schedule", "list")["schedules"]
    assert listed == made["schedule"]
    assert listed["next_at"] > time.time()
    assert "stand-up" in outlive("schedule", "list").out
    outlive.ok("schedule", "remove", listed["id"])
    assert outlive.ok("schedule", "list")["schedules"] == []


def test_a_worker_fires_what_is_due(outlive: Outlive) -> None:
    """A running worker answers a scheduled message by itself."""
    outlive.ok("schedule", "add", "ada", "wake up", "--at", "2020-01-01T00:00")
    events = outlive("worker", "--once", "--model", "scripted", "--json").events
    (turn,) = [event for event in events if event["event"] == "turn"]
    assert turn["reply"] == "Message 1: wake up"


def test_an_unclear_time_is_refused(outlive: Outlive) -> None:
    """Two times, or none, are refused with a fix that names the options."""
    assert "--at" in outlive.refused(2, "schedule", "add", "ada", "x")["fix"]
    assert outlive.refused(2, "schedule", "add", "ada", "x", "--every", "soon")["type"] == "Invalid"


def test_a_letter_is_shown_whole_and_purged(outlive: Outlive) -> None:
    """`queue show` prints the whole letter, and `queue purge` removes it when that is confirmed."""
    outlive("send", "ada", "hello " * 50)
    letter_id = outlive.bury()
    shown = outlive.ok("queue", "show", letter_id)
    assert (shown["dead_letter"]["text"], shown["dead_letter"]["reason"]) == ("hello " * 50, "the model is down")
    assert "--yes" in outlive.refused(2, "queue", "purge", letter_id)["fix"]
    assert outlive.ok("queue", "purge", letter_id, "--yes") == {"purged": [letter_id]}
    assert outlive.refused(1, "queue", "show", letter_id)["type"] == "NotFound"


def test_times_are_read_as_people_write_them() -> None:
    """Spans have a unit, dates an offset or the given zone, and anything else is refused."""
    assert (seconds_of("90s"), seconds_of("1.5h")) == (90, 5400)
    assert epoch_of("1970-01-01T09:00", "Asia/Tokyo") == epoch_of("1970-01-01T01:00+01:00", "UTC") == 0
    for bad in ("soon", "5", "-3m"):
        with pytest.raises(Invalid):
            seconds_of(bad)
    with pytest.raises(Invalid):
        epoch_of("tomorrow", "UTC")
