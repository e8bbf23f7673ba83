"""`outlive limits`, `outlive usage`, and what is left in `outlive sessions show`."""

from __future__ import annotations

import pytest

from tests.entrypoints.conftest import NO_REPLIES_LEFT, Outlive


@pytest.fixture
def counting(outlive: Outlive, monkeypatch: pytest.MonkeyPatch) -> Outlive:
    """A command whose turns are counted against a day's limit."""
    monkeypatch.setenv("OUTLIVE_MAX_USD_PER_DAY", "0.0015")
    return outlive


def test_limits_are_set_shown_and_taken_away(outlive: Outlive) -> None:
    """What is set is shown with where it comes from, what is not named stays, and `none` takes it away."""
    outlive.ok("limits", "set", "--max-usd-per-day", "5", "--max-concurrent-turns", "2")
    outlive.ok("limits", "set", "--max-concurrent-turns", "none", "--turn-seconds", "60.5")
    shown = outlive.ok("limits", "show")
    assert shown["tenant"]["quotas"]["max_concurrent_turns"] is None
    assert (shown["effective"]["max_usd_per_day"], shown["effective"]["turn_seconds"]) == (5.0, 60.5)
    out = outlive("limits", "show").out
    assert ["max_usd_per_day", "5", "tenant"] in [line.split() for line in out.splitlines()]


def test_limits_for_all_are_below_a_tenants_own(outlive: Outlive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit for all counts for a tenant without its own, and comes before the settings."""
    monkeypatch.setenv("OUTLIVE_MAX_USD_PER_SESSION", "9")
    outlive.ok("limits", "set", "--all", "--max-usd-per-session", "3")
    outlive.ok("limits", "set", "--tenant", "acme", "--max-usd-per-session", "1")
    for tenant, limit in (("acme", 1.0), ("other", 3.0)):
        assert outlive.ok("limits", "show", "--tenant", tenant)["effective"]["max_usd_per_session"] == limit


@pytest.mark.parametrize(
    ("option", "value"),
    [("--max-usd-per-day", "0"), ("--max-usd-per-day", "lots"), ("--max-concurrent-turns", "1.5"),
     ("--turn-seconds", "nan"), ("--max-agent-turns", "-1")],
)  # fmt: skip
def test_a_wrong_limit_is_refused_by_name(outlive: Outlive, option: str, value: str) -> None:
    """The error names the limit and a fix, and nothing is changed."""
    outlive.ok("limits", "set", "--max-usd-per-session", "3")
    before = outlive.ok("limits", "show")
    error = outlive.refused(2, "limits", "set", option, value)
    assert option.strip("-").replace("-", "_") in error["message"].replace("-", "_")
    assert error["fix"]
    assert outlive.ok("limits", "show") == before


def test_a_set_without_limits_is_refused(outlive: Outlive) -> None:
    """Nothing to set is a wrong use."""
    assert "Name one" in outlive.refused(2, "limits", "set")["fix"]


@pytest.mark.parametrize("scope", [[], ["--all"]])
def test_stop_and_start(outlive: Outlive, scope: list[str]) -> None:
    """While stopped, turns are answered with the reason; after the start the agent is asked again."""
    stopped = outlive.ok("limits", "stop", "--reason", "the bill", "--by", "ada", *scope)["stopped"]
    assert (stopped["reason"], stopped["by"]) == ("the bill", "ada")
    (refused,) = outlive.say("one")
    outlive.ok("limits", "start", *scope)
    (turn,) = outlive.say("two")
    assert (refused.line.reply, turn.line.reply) == ("Stopped by the operator: the bill", "Message 1: two")


def test_people_read_who_stopped_what(outlive: Outlive) -> None:
    """The stop is told with its reason and who did it, when it is set and when limits are shown."""
    told = outlive("limits", "stop", "--reason", "the bill", "--by", "ada").err
    assert "tenant local: no limits of its own; stopped: the bill (by ada" in told
    assert "the bill (by ada" in outlive("limits", "show").out


def test_a_stop_needs_a_reason_and_a_start_a_stop(outlive: Outlive) -> None:
    """An empty reason exits 2; starting what runs exits 1 and says where to look."""
    assert "users are told" in outlive.refused(2, "limits", "stop", "--reason", " ")["fix"]
    assert "limits show" in outlive.refused(1, "limits", "start")["fix"]


def test_the_worker_tells_that_it_refused(outlive: Outlive) -> None:
    """A worker answers a queued message with the reason, and its event says so."""
    outlive.ok("limits", "stop", "--reason", "the bill")
    outlive.ok("send", "ada", "hello", "--message-id", "m1")
    events = outlive("worker", "--turns", "1", "--json").events
    (turn,) = [event for event in events if event["event"] == "turn"]
    assert (turn["how"], turn["reply"]) == ("refused", "Stopped by the operator: the bill")
    assert outlive.ok("queue", "depth") == {"waiting": 0, "in_flight": 0, "dead": 0, **NO_REPLIES_LEFT}


def test_chat_shows_the_refusal_once(outlive: Outlive) -> None:
    """At the terminal the reason is said once, and that the agent was not asked."""
    outlive.ok("limits", "stop", "--reason", "the bill")
    done = outlive("chat", "--session", "ada", stdin="hello\n")
    assert done.out.count("Stopped by the operator: the bill") == 1
    assert "The agent was not asked." in done.err


def test_a_session_shows_what_is_left(counting: Outlive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside its cost a session shows what it, the day and the month still have."""
    monkeypatch.setenv("OUTLIVE_MAX_USD_PER_SESSION", "0.01")
    counting.say("one")
    assert " $0.0090 in this session, $0.0005 today" in counting("sessions", "show", "ada").out
    left = counting.ok("sessions", "show", "ada")["left"]
    assert left == {"session_usd": 0.009, "day_usd": 0.0005, "month_usd": None, "stopped": None}


def test_the_bill_by_session(outlive: Outlive) -> None:
    """Each session has one line with everything it used, the dearest first, and the total is their sum."""
    outlive.say("one", "two")
    outlive.say("hello", key="bob")
    bill = outlive.ok("usage")
    assert [(line["name"], line["turns"], line["usd"]) for line in bill["lines"]] == [
        ("local:console:ada:default", 2, 0.002),
        ("local:console:bob:default", 1, 0.001),
    ]
    assert (bill["total"]["turns"], bill["total"]["usd"], bill["total"]["agent_turns"]) == (3, 0.003, 3)
    assert "total" in outlive("usage").out


def test_the_bill_by_day_has_the_same_total(counting: Outlive) -> None:
    """The ledgers give the same sum as the heads, and what was counted against the limits stands beside it."""
    counting.say("one", "two")
    by_session, by_day = counting.ok("usage"), counting.ok("usage", "--by", "day")
    (day,) = by_day["lines"]
    assert (day["usd"], day["counted_usd"]) == (0.002, 0.002)
    totals = [{**bill["total"], "seconds": round(bill["total"]["seconds"], 2)} for bill in (by_session, by_day)]
    assert totals[0] == totals[1]


def test_the_bill_of_one_session(outlive: Outlive) -> None:
    """By key or by id it is that session's line alone, its days add up to it, and one without turns has none."""
    outlive.say("one", "two")
    outlive("sessions", "new", "bob")
    (line,) = outlive.ok("usage", "ada")["lines"]
    (day,) = outlive.ok("usage", line["session_id"], "--by", "day")["lines"]
    assert (line["name"], line["turns"], line["usd"]) == ("local:console:ada:default", 2, 0.002)
    assert (day["turns"], day["usd"], day["counted_usd"]) == (2, 0.002, None)
    assert outlive("usage", "bob").err == "Nothing has been used.\n"


def test_a_damaged_session_is_named_on_the_bill(outlive: Outlive) -> None:
    """A session whose head cannot be read is said to be missing from the sum."""
    outlive.say("one")
    outlive.break_head("x")
    assert len(outlive.ok("usage")["damaged"]) == 1
    assert "not in it: record head/" in outlive("usage").err


def test_an_empty_bill(outlive: Outlive) -> None:
    """Without sessions there is nothing on it."""
    assert outlive.ok("usage")["lines"] == []
    assert outlive("usage", "--by", "day").err.strip().endswith("Nothing has been used.")
