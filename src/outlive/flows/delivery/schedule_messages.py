"""Schedules: added, listed, removed, and fired once whatever number of workers looks at them."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from outlive.core.cron import next_fire, parse_cron
from outlive.core.keys import SessionKey, Tenant
from outlive.core.schedules import (
    SCHEDULES,
    Schedule,
    after_firing,
    check_schedule,
    decode_schedule,
    encode_schedule,
    message_of,
)
from outlive.errors import Conflict, Corrupt, Invalid, NotFound
from outlive.flows.accept_message import accept_message
from outlive.flows.engine import Engine
from outlive.flows.list_all import scan_all
from outlive.flows.retry import retrying
from outlive.protocols import Absent, At, Free, Keep, Row

ID_LENGTH = 12


async def add_schedule(
    engine: Engine,
    key: SessionKey,
    text: str,
    *,
    at: float | None = None,
    every: float | None = None,
    cron: str = "",
    zone: str = "UTC",
) -> Schedule:
    """Store it; `Invalid` names what is wrong, and nothing is stored. Times in epoch seconds, `every` in seconds."""
    now, timezone = engine.clock.now(), time_zone(zone)
    schedule = Schedule(
        engine.new_id()[-ID_LENGTH:], str(key), text, now, now, at=at, every=every, cron=cron, zone=zone
    )
    check_schedule(schedule)
    if at is not None:
        schedule = replace(schedule, next_at=at)
    elif every is not None:
        schedule = replace(schedule, next_at=now + every)
    else:
        schedule = replace(schedule, next_at=next_fire(parse_cron(cron), now, timezone))
    name = schedule_key(key.tenant, schedule.id)
    body = encode_schedule(schedule)
    await engine.table.write(name, body, expected=Absent(), lease=Free(), expires_at=None)
    return schedule


async def list_schedules(engine: Engine, tenant: Tenant) -> list[Schedule]:
    """The tenant's schedules, by id."""
    rows = await scan_all(engine.table, schedule_key(tenant, ""), engine.clock)
    return [decode_schedule(row.body, row.key) for row in rows]


async def remove_schedule(engine: Engine, tenant: Tenant, schedule_id: str) -> None:
    """It fires no more; a message that it has sent stays in the queue. `NotFound` when there is none."""
    name = schedule_key(tenant, schedule_id)
    while (row := await retrying(lambda: engine.table.read(name), engine.clock)) is not None:
        try:
            await engine.table.delete(name, expected=At(row.version, row.fence))
        except Conflict:  # it fired just now
            continue
        return
    raise NotFound(f"there is no schedule {schedule_id!r}.", fix="See `outlive schedule list`.")


async def fire_schedules(engine: Engine) -> int:
    """Send what is due; how many were sent. One that cannot be read, or sent, keeps no other from firing.

    The message is sent first and the record moved on after that, by compare-and-set: a worker that dies in between, or
    two that see the same time, send the same message id again, which the queue drops and the session knows. Of times
    that were missed one is made up for.
    """
    fired = 0
    for row in await scan_all(engine.table, SCHEDULES, engine.clock):
        try:
            schedule = decode_schedule(row.body, row.key)
            if schedule.next_at <= engine.clock.now():
                fired += await _fire(engine, row, schedule)
        except (Corrupt, Invalid):  # `outlive schedule list` names it
            continue
    return fired


async def _fire(engine: Engine, row: Row, schedule: Schedule) -> bool:
    """Whether this worker was the one."""
    await accept_message(engine.queue, message_of(schedule), engine.clock, engine.telemetry)
    following = after_firing(schedule, engine.clock.now(), time_zone(schedule.zone))
    expected = At(row.version, row.fence)
    try:
        if following is None:
            await engine.table.delete(row.key, expected=expected)
        else:
            body = encode_schedule(following)
            await engine.table.write(row.key, body, expected=expected, lease=Keep(), expires_at=None)
    except Conflict:
        return False
    return True


def schedule_key(tenant: Tenant, schedule_id: str) -> str:
    """Where a schedule lives, in the whole table."""
    return f"{SCHEDULES}{tenant}/{schedule_id}"


def time_zone(name: str) -> ZoneInfo:
    """The zone of that IANA name; `Invalid` when this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(
            f"time zone {name!r} is not known here.", fix="Use an IANA name such as Europe/Berlin, or install tzdata."
        ) from error
