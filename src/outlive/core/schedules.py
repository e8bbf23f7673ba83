"""Messages that come by themselves: when they are due, and their records."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import tzinfo
from math import floor
from typing import Any

from outlive.core.cron import next_fire, parse_cron
from outlive.core.keys import SessionKey, parse_session_key
from outlive.core.messages import Inbound, check_inbound
from outlive.errors import Corrupt, Invalid

SCHEDULES = "_schedule/"
"""Prefix of the records; no tenant's name starts with `_`."""
LEAST_INTERVAL = 10.0
SENDER = "schedule"


@dataclass(frozen=True, slots=True)
class Schedule:
    """One of them: exactly one of `at`, `every` and `cron` says when."""

    id: str
    session_key: str
    text: str
    next_at: float
    created_at: float
    at: float | None = None
    every: float | None = None
    cron: str = ""
    zone: str = "UTC"
    """Time zone of `cron`, by its IANA name."""
    fired: int = 0


def check_schedule(schedule: Schedule) -> None:
    """`Invalid` names what is wrong with it."""
    if sum(each is not None for each in (schedule.at, schedule.every)) + bool(schedule.cron) != 1:
        raise Invalid("it is not clear when the schedule fires.", fix="Give one of --at, --every and --cron.")
    if schedule.every is not None and not LEAST_INTERVAL <= schedule.every <= 366 * 86400:
        fix = f"Use {LEAST_INTERVAL:g} seconds to a year."
        raise Invalid(f"interval {schedule.every:g} seconds is not possible.", fix=fix)
    if schedule.cron:
        parse_cron(schedule.cron)
    check_inbound(message_of(schedule))


def message_of(schedule: Schedule) -> Inbound:
    """What it sends when it fires: the id names the schedule and the time, so that twice is once."""
    key: SessionKey = parse_session_key(schedule.session_key)
    due = schedule.next_at
    return Inbound(key, f"schedule:{schedule.id}:{floor(due)}", schedule.text, due, SENDER)


def after_firing(schedule: Schedule, now: float, zone: tzinfo) -> Schedule | None:
    """The schedule with its next time after `now`, however many were missed; None when it was the only one."""
    fired = schedule.fired + 1
    if schedule.every is not None:
        steps = floor(max(now - schedule.next_at, 0.0) / schedule.every) + 1
        return replace(schedule, next_at=schedule.next_at + steps * schedule.every, fired=fired)
    if schedule.cron:
        after = max(now, schedule.next_at)
        return replace(schedule, next_at=next_fire(parse_cron(schedule.cron), after, zone), fired=fired)
    return None


def encode_schedule(schedule: Schedule) -> bytes:
    """The record as stored."""
    return json.dumps(asdict(schedule)).encode()


def decode_schedule(body: bytes, name: str) -> Schedule:
    """The record back; `Corrupt` names it."""
    try:
        fields: dict[str, Any] = json.loads(body)
        return Schedule(**fields)
    except (ValueError, TypeError, RecursionError) as error:
        raise Corrupt(f"record {name} is not a schedule.", fix="Remove it and add the schedule anew.") from error
