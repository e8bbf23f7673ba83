"""Cron expressions and the times that fit them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.core.cron import next_fire, parse_cron
from outlive.errors import Invalid

BERLIN = ZoneInfo("Europe/Berlin")


def following(cron: str, after: str, zone: str = "UTC") -> str:
    """The next time on the zone's clocks, given one on them."""
    place = ZoneInfo(zone)
    moment = next_fire(parse_cron(cron), datetime.fromisoformat(after).replace(tzinfo=place).timestamp(), place)
    return datetime.fromtimestamp(moment, place).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("* * * * *", "2026-11-21 10:00", "2026-11-21 10:01"),
        ("*/15 * * * *", "2026-11-21 10:50", "2026-11-21 11:00"),
        ("0 9 * * mon-fri", "2026-11-20 09:00", "2026-11-23 09:00"),
        ("30 8 1 * *", "2026-11-21 10:00", "2026-12-01 08:30"),
        ("0 0 29 2 *", "2026-11-21 10:00", "2028-02-29 00:00"),
        ("0 0 13 * fri", "2026-11-21 10:00", "2026-11-27 00:00"),
        ("0 0 * jan,jul 7", "2026-11-21 10:00", "2027-01-03 00:00"),
        ("5-10/5 22-23 * * *", "2026-11-21 22:06", "2026-11-21 22:10"),
        ("@weekly", "2026-11-21 10:00", "2026-11-22 00:00"),
    ],
)
def test_the_next_time_fits(cron, after, expected) -> None:
    """The next time is the first one after the given one that fits all fields."""
    assert following(cron, after) == expected


def test_a_time_that_the_clocks_skip_comes_as_much_later() -> None:
    """Half past two on the night of summer time fires at half past three."""
    assert following("30 2 * * *", "2026-03-28 12:00", "Europe/Berlin") == "2026-03-29 03:30"


def test_a_time_that_comes_twice_fires_once() -> None:
    """Half past two on the night of winter time fires the first time only."""
    first = next_fire(parse_cron("30 2 * * *"), datetime(2026, 10, 24, 12, tzinfo=BERLIN).timestamp(), BERLIN)
    assert datetime.fromtimestamp(first, UTC).hour == 0
    assert datetime.fromtimestamp(next_fire(parse_cron("30 2 * * *"), first, BERLIN), BERLIN).day == 26


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "x * * * *", "*/0 * * * *", "5-1 * * * *", "0 0 31 2 *"],
)
def test_what_is_no_cron_expression_is_refused(text) -> None:
    """Wrong fields, wrong numbers and days that never come are refused by name."""
    with pytest.raises(Invalid, match="cron"):
        parse_cron(text)


@given(st.integers(0, 59), st.integers(0, 23), st.integers(1_600_000_000, 2_000_000_000))
def test_a_daily_time_comes_within_a_day_and_an_hour(minute, hour, after) -> None:
    """A daily time lies behind the given moment, and at most 25 hours away, in a zone that changes its clocks."""
    moment = next_fire(parse_cron(f"{minute} {hour} * * *"), float(after), BERLIN)
    assert 0 < moment - after <= 26 * 3600
