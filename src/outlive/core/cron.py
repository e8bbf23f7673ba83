"""Cron expressions: five fields, and the next time that fits them in a time zone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import product

from outlive.errors import Invalid

NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "weekday": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
SHORTCUTS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
HORIZON_DAYS = 366 * 8 + 2
"""29 February comes again within eight years, whatever the century."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression."""

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    either_day: bool
    """Day of month and day of week are both restricted: then a day that fits one of them will do."""

    def fits(self, day: date) -> bool:
        """Whether it fires on this day at all."""
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and ((of_month or of_week) if self.either_day else (of_month and of_week))


def parse_cron(text: str) -> Cron:
    """Read `minute hour day month weekday`, or `@daily` and its like; `Invalid` names the field that is wrong.

    Each field is `*`, a number, a range `a-b`, with a step `/n`, or several of these with commas; months and weekdays
    also by their English names of three letters; Sunday is 0 or 7.
    """
    parts = SHORTCUTS.get(text.strip().lower(), text).split()
    if len(parts) != len(FIELDS):
        raise Invalid(
            f"cron expression {text!r} has {len(parts)} fields.",
            fix="Give five: minute, hour, day of month, month, day of week.",
        )
    found = [_field(part.lower(), *limits) for part, limits in zip(parts, FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = found
    either = not parts[2].startswith("*") and not parts[4].startswith("*")
    week = frozenset(day % 7 for day in weekdays)
    cron = Cron(text, tuple(sorted(minutes)), tuple(sorted(hours)), days, months, week, either)
    if next(_days(cron, date(2000, 1, 1)), None) is None:
        raise Invalid(f"cron expression {text!r} never fires.", fix="Correct its day and month.")
    return cron


def _field(text: str, name: str, low: int, high: int) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        base, slash, step = part.partition("/")
        first, dash, last = base.partition("-")
        if base == "*":
            start, end = low, high
        else:
            start = _number(first, name, low, high)
            end = _number(last, name, low, high) if dash else (high if slash else start)
        width = _number(step, name, 1, high) if slash else 1
        if start > end:
            raise Invalid(f"cron field {name}: {part!r} runs backwards.", fix="Write it as two ranges.")
        values.update(range(start, end + 1, width))
    return frozenset(values)


def _number(text: str, name: str, low: int, high: int) -> int:
    names = NAMES.get(name, [])
    if text in names:
        return names.index(text) + low
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise Invalid(f"cron field {name}: {text!r} is not a number from {low} to {high}.", fix="Correct it.")
    return int(text)


def next_fire(cron: Cron, after: float, zone: tzinfo) -> float:
    """The first time after `after` (both epoch seconds) that fits, on the clocks of `zone`.

    A time that the clocks skip in spring fires when they have skipped it, one that they show twice in autumn fires the
    first time.
    """
    today = datetime.fromtimestamp(after, zone).date()
    for day in _days(cron, today - timedelta(days=1)):
        times = sorted({_moment(day, hour, minute, zone) for hour, minute in product(cron.hours, cron.minutes)})
        for moment in times:
            if moment > after:
                return moment
    raise Invalid(f"cron expression {cron.text!r} never fires again.", fix="Correct its day and month.")


def _days(cron: Cron, first: date) -> Iterator[date]:
    return (day for number in range(HORIZON_DAYS) if cron.fits(day := first + timedelta(days=number)))


def _moment(day: date, hour: int, minute: int, zone: tzinfo) -> float:
    local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
    return local.astimezone(UTC).timestamp()
