"""Fail-back: the region that was away is brought up to date and fenced, and what came from it goes home."""

from __future__ import annotations

from dataclasses import dataclass, field

from outlive.core.regions import (
    EPOCH,
    GONE,
    LOST,
    TAKEN,
    Control,
    Lost,
    copied_version,
    encode_lost,
    is_head,
    note_key,
)  # fmt: skip
from outlive.core.sessions import decode_head
from outlive.errors import Conflict, Unavailable
from outlive.flows.list_all import list_all, scan_all
from outlive.flows.overwrite import overwrite
from outlive.flows.regions.copy_region import copy_objects, copy_plain_records, copy_record, homed_rows
from outlive.flows.regions.pair import RegionPair
from outlive.flows.regions.take_over import take_record
from outlive.protocols import At, Row


@dataclass(slots=True)
class GivenBack:
    """What a fail-back has done."""

    copied: int = 0
    """Records brought up to date in the region that was away."""
    objects_copied: int = 0
    lost_sessions: list[str] = field(default_factory=list)
    """Heads that region had written after its epoch was over here; kept aside there, see `outlive region status`."""
    lost_turns: int = 0
    erased: int = 0
    """Sessions and mappings that were erased here while it was away."""
    returned: int = 0
    """Sessions that are at home there again."""
    left: list[str] = field(default_factory=list)


async def give_back(pair: RegionPair, *, homes: bool = True) -> GivenBack:
    """Bring the other region up to date; with `homes`, give it back what was taken over from it.

    Its workers may be running: what they still believe in is fenced record by record. `Unavailable` when it does not
    answer. Run again after an interruption, it goes on where it stopped.
    """
    own, other = pair.regions.own, pair.regions.other
    if not await pair.reaches(other):
        raise Unavailable(f"region {other} does not answer.", fix="Nothing was changed. Try again when it does.")
    done = GivenBack()
    control = await pair.control(own)
    await _bring_up_to_date(pair, done)
    await pair.set_control(other, Control(control.epoch))
    await pair.set_control(own, Control(control.epoch))
    await pair.clock.sleep(2 * pair.control_seconds)  # from here on every worker makes its copies itself
    await _bring_up_to_date(pair, done)
    if homes and not pair.is_shared:
        await _return_homes(pair, done)
    for row in await scan_all(pair.tables[own], GONE, pair.clock):
        await pair.tables[own].delete(row.key, expected=At(row.version, row.fence))
    return done


async def _bring_up_to_date(pair: RegionPair, done: GivenBack) -> None:
    own, other = pair.regions.own, pair.regions.other
    done.objects_copied += await copy_objects(pair, own)
    if pair.is_shared:
        return
    await copy_plain_records(pair, own)
    here, there = await homed_rows(pair, own), await homed_rows(pair, other)
    for key in await _erased(pair):
        if (row := there.get(key)) is not None and key not in here:
            await _erase(pair, row)
            done.erased += 1
    for key, row in here.items():
        if copied_version(row) is None:
            await _fence(pair, row, there.get(key), done)
    for key, row in there.items():
        if copied_version(row) is None and (key not in here or copied_version(here[key]) is not None):
            done.copied += await copy_record(pair, key, to=own)


async def _fence(pair: RegionPair, here: Row, there: Row | None, done: GivenBack) -> None:
    """Make the other region's record the copy it ought to be, and keep what only it has aside."""
    is_stale = there is not None and copied_version(there) is None and there.fence < here.fence
    if there is not None and is_stale and is_head(here.key):
        await _keep_aside(pair, here, there, done)
    done.copied += await copy_record(pair, here.key, to=pair.regions.other)


async def _keep_aside(pair: RegionPair, here: Row, there: Row, done: GivenBack) -> None:
    mine, theirs = decode_head(here.body, here.key), decode_head(there.body, there.key)
    known = {answered.digest for answered in mine.answered}
    common = max((each.turn for each in theirs.answered if each.digest in known), default=0)
    lost = {each.turn for each in theirs.answered if each.turn > common and each.digest not in known}
    if not lost:
        return
    raw = await pair.tables[pair.regions.other].read(there.key)
    note = Lost(there.key, len(lost), pair.clock.now(), (raw or there).body.hex())
    table = pair.tables[pair.regions.other]
    await overwrite(table, note_key(LOST, there.key), encode_lost(note), pair.clock, expires_at=None)
    done.lost_sessions.append(there.key)
    done.lost_turns += len(lost)


async def _erased(pair: RegionPair) -> list[str]:
    rows = await scan_all(pair.tables[pair.regions.own], GONE, pair.clock)
    return [row.body.decode() for row in rows]


async def _erase(pair: RegionPair, row: Row) -> None:
    """What was erased here is erased there: record, packs, everything below the session."""
    other = pair.regions.other
    raw = await pair.tables[other].read(row.key)
    if raw is not None:
        await pair.tables[other].delete(row.key, expected=At(raw.version, raw.fence))
    if is_head(row.key):
        tenant, _, session_id = row.key.partition("/")[0], "", row.key.rpartition("/")[2]
        prefix = f"{tenant}/sessions/{session_id}/"
        names = [info.key for info in await list_all(pair.objects[other], prefix, pair.clock)]
        for start in range(0, len(names), 1000):
            await pair.objects[other].delete(names[start : start + 1000])


async def _return_homes(pair: RegionPair, done: GivenBack) -> None:
    own, other = pair.regions.own, pair.regions.other
    control = await pair.control(own)
    epoch = control.epoch
    if pair.regions.home(epoch * EPOCH) == own and epoch:
        epoch = pair.regions.next_fence(epoch * EPOCH, other) // EPOCH
        await pair.set_control(own, Control(epoch))
        await pair.set_control(other, Control(epoch))
    for note in await scan_all(pair.tables[own], TAKEN, pair.clock):
        key = note.body.decode()
        try:
            if await pair.tables[own].read(key) is not None:
                await take_record(pair, key, to=other, since=epoch, reaches=True)
                done.returned += is_head(key)
        except Conflict:
            done.left.append(key)
            continue
        await pair.tables[own].delete(note.key, expected=At(note.version, note.fence))
        await _forget_note(pair, key)
    done.objects_copied += await copy_objects(pair, own)


async def _forget_note(pair: RegionPair, key: str) -> None:
    """It was not taken over by the region that it belongs to."""
    name, table = note_key(TAKEN, key), pair.tables[pair.regions.other]
    row = await table.read(name)
    if row is not None:
        await table.delete(name, expected=At(row.version, row.fence))
