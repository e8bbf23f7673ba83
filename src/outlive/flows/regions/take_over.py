"""Fail-over: this region becomes the home of one session or of all, in a new epoch."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace

from outlive.core.keys import SessionId, Tenant, head_key, mapping_key, parse_session_key
from outlive.core.outbox import Waiting, encode_waiting, outbox_key
from outlive.core.regions import (
    EPOCH,
    TAKEN,
    Control,
    Replication,
    copied_version,
    copy_lease,
    is_head,
    is_of_another,
    mark,
    note_key,
)  # fmt: skip
from outlive.core.sessions import decode_head, encode_head
from outlive.errors import AlreadyExists, Conflict, NotFound, VersionConflict
from outlive.flows.overwrite import overwrite
from outlive.flows.regions.copy_region import copy_objects, copy_plain_records, copy_record, homed_rows
from outlive.flows.regions.pair import RegionPair
from outlive.protocols import Absent, At, Expected, Raise, Row

ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fail-over would do, and what it may lose."""

    to: str
    reaches_other: bool
    """Then the other region is fenced first and read to its end: nothing is lost in any mode."""
    records: tuple[str, ...]
    """Keys of the heads and mappings that would pass."""
    newest_at: float
    """When the last turn was acknowledged that is known here, of the sessions that would pass; 0 without any."""
    pending_replies: int
    """Committed replies that have not been delivered: they are sent from here."""
    may_lose_seconds: float
    """Turns that the other region acknowledged in so many seconds before it was last reached are not known here."""

    @property
    def sessions(self) -> int:
        """How many sessions would pass."""
        return sum(map(is_head, self.records))


@dataclass(slots=True)
class TakenOver:
    """What a fail-over has done."""

    sessions: int = 0
    records: int = 0
    epoch: int = 0
    objects_copied: int = 0
    alone: bool = False
    """The other region could not be reached: nothing is copied there until `outlive region failback`."""
    left: list[str] = field(default_factory=list)
    """Keys that somebody wrote all the time: run it again."""


async def plan_take_over(pair: RegionPair, key: str | None = None) -> Plan:
    """What passes to this region: the session with this head's key (with the tenant) and its mapping, or everything."""
    own, other = pair.regions.own, pair.regions.other
    reaches = await pair.reaches(other)
    if pair.is_shared:
        return Plan(own, reaches, (), 0.0, 0, 0.0)
    here = await homed_rows(pair, own)
    there = await homed_rows(pair, other) if reaches else {}
    rows = [_newer(here.get(each), there.get(each)) for each in {*here, *there}]
    passing = {row.key: row for row in rows if pair.regions.home(row.fence) == other or copied_version(row) is not None}
    heads = [decode_head(row.body, row.key) for row in passing.values() if is_head(row.key)]
    if key is not None:
        if key not in passing:
            raise NotFound(f"{key} is at home in region {own} already, or nowhere.", fix="See `outlive region status`.")
        heads = [head for head in heads if key.endswith(head_key(head.session_id))]
        tenant = key.partition("/")[0]
        names = [key, *(f"{tenant}/{mapping_key(parse_session_key(head.key))}" for head in heads)]
        passing = {name: passing[name] for name in names if name in passing}
    behind = pair.window_seconds if pair.replication is Replication.ASYNCHRONOUS and not reaches else 0.0
    newest = max((head.updated_at for head in heads), default=0.0)
    return Plan(own, reaches, tuple(sorted(passing)), newest, sum(len(h.outbox) for h in heads), behind)


async def take_over(pair: RegionPair, plan: Plan, *, everything: bool) -> TakenOver:
    """Do as planned. Nothing is undone when it is interrupted: it goes on where it stopped when it is run again."""
    own, other = pair.regions.own, pair.regions.other
    mine = await pair.control(own)
    epoch = pair.regions.next_fence(mine.epoch * EPOCH, own) // EPOCH if everything else mine.epoch
    done = TakenOver(epoch=epoch, alone=not plan.reaches_other)
    await pair.set_control(own, Control(epoch, alone=done.alone))
    if plan.reaches_other:
        await pair.set_control(other, Control(epoch))
        done.objects_copied = await copy_objects(pair, other)
    for key in plan.records:
        try:
            await take_record(pair, key, to=own, since=epoch, reaches=plan.reaches_other)
        except Conflict:
            done.left.append(key)
        else:
            done.records, done.sessions = done.records + 1, done.sessions + is_head(key)
    if plan.reaches_other:  # what was written until the last record was fenced, and what an interrupted one left
        for key in await homed_rows(pair, own) if everything else plan.records:
            await copy_record(pair, key, to=other)
        done.objects_copied += await copy_objects(pair, other)
        await copy_plain_records(pair, other)
    return done


async def take_record(pair: RegionPair, key: str, *, to: str, since: int = 0, reaches: bool) -> None:
    """Make `to` the record's home: fence the old one, take the newest there is, and let the old one be its copy."""
    for _ in range(ATTEMPTS):
        with suppress(VersionConflict, AlreadyExists):  # a copy that was late has just come
            await _take(pair, key, to=to, since=since, reaches=reaches)
            return
    raise Conflict(f"{key} is written all the time.", fix="Run it again.")


async def _take(pair: RegionPair, key: str, *, to: str, since: int, reaches: bool) -> None:
    old = pair.regions.opposite(to)
    here = await pair.readable[to].read(key)
    there = await pair.readable[old].read(key) if reaches else None
    newest = _newer(here, there)
    if pair.regions.home(newest.fence) == to and copied_version(newest) is None:
        return
    fence = pair.regions.next_fence(newest.fence, to, since=since)
    if there is not None:
        lease = copy_lease(to, fence, 0)
        there = await pair.readable[old].write(
            key, there.body, expected=At(there.version, there.fence), lease=lease, expires_at=there.expires_at
        )
        newest = newest if newest is here else replace(there, owner=None)
    body = _moved(newest, to)
    expected: Expected = At(here.version, here.fence) if here else Absent()
    row = await pair.readable[to].write(key, body, expected=expected, lease=Raise(fence), expires_at=newest.expires_at)
    if there is not None:
        at, lease = At(there.version, there.fence), copy_lease(to, fence, row.version)
        await pair.readable[old].write(key, body, expected=at, lease=lease, expires_at=row.expires_at)
    await _note(pair, key, body, to)


async def _note(pair: RegionPair, key: str, body: bytes, to: str) -> None:
    """Remember that it came from the other region; and who waits for a reply, for the loop that sends it."""
    table, clock = pair.tables[to], pair.clock
    await overwrite(table, note_key(TAKEN, key), key.encode(), clock, expires_at=None)
    if is_head(key) and decode_head(body, key).outbox:
        tenant, session_id = Tenant(key.partition("/")[0]), SessionId(key.rpartition("/")[2])
        waiting = encode_waiting(Waiting(tenant, session_id, clock.now()))
        await overwrite(pair.readable[to], outbox_key(tenant, session_id), waiting, clock, expires_at=None)


def _moved(row: Row, region: str) -> bytes:
    """The head says where it is at home, for people; what counts is its fence."""
    if not is_head(row.key):
        return row.body
    return encode_head(replace(decode_head(row.body, row.key), region=region))


def _newer(here: Row | None, there: Row | None) -> Row:
    rows = [row for row in (here, there) if row is not None]
    if not rows:
        raise VersionConflict("The record has been erased meanwhile.")
    record = next((row for row in rows if copied_version(row) is None), None)
    if record is not None and any(is_of_another(row, record) for row in rows):
        return record  # the copy is of a mapping that was removed
    # of equals the one at home: it may hold a lease-only write more, and never less
    return max(rows, key=lambda row: (mark(row), copied_version(row) is None))
