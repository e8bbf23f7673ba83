"""Everything that one region has and the other lacks, copied over."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from outlive.core.regions import copied_version, is_copied, is_homed
from outlive.errors import Conflict, VersionConflict
from outlive.flows.list_all import list_all, scan_all
from outlive.flows.overwrite import write_over
from outlive.flows.regions.copying import copy_object
from outlive.flows.regions.pair import RegionPair
from outlive.flows.regions.stage import stage
from outlive.protocols import Row

AT_ONCE = 16


async def homed_rows(pair: RegionPair, region: str) -> Mapping[str, Row]:
    """The heads and mappings in a region, records and copies, by key; bodies in the clear."""
    rows = await scan_all(pair.readable[region], "", pair.clock)
    return {row.key: row for row in rows if is_homed(row.key)}


async def copy_objects(pair: RegionPair, source: str) -> int:
    """Copy what the other region lacks; how many objects that were."""
    there = {info.key for info in await list_all(pair.objects[pair.regions.opposite(source)], "", pair.clock)}
    missing = [info.key for info in await list_all(pair.objects[source], "", pair.clock) if info.key not in there]
    for start in range(0, len(missing), AT_ONCE):
        await asyncio.gather(*(copy_object(pair, source, key) for key in missing[start : start + AT_ONCE]))
    return len(missing)


async def copy_record(pair: RegionPair, key: str, *, to: str) -> bool:
    """Bring the copy in `to` up to date, of a record that is at home in the other region; False if it is, or is none.

    A worker that is faster has made a newer one.
    """
    row = await pair.tables[pair.regions.opposite(to)].read(key)
    if row is None or copied_version(row) is not None:
        return False
    with suppress(VersionConflict):
        seen = await pair.tables[to].read(key)
        copy = await stage(pair.tables[to], pair.regions, row, seen)
        return seen is None or copy.version != seen.version
    return False


async def copy_plain_records(pair: RegionPair, source: str) -> int:
    """Copy the records that are not at home anywhere, over what the other region has; how many differed."""
    target, copied = pair.tables[pair.regions.opposite(source)], 0
    for row in await scan_all(pair.tables[source], "", pair.clock):
        if not is_copied(row.key) or copied_version(row) is not None:
            continue
        seen = await target.read(row.key)
        if seen is not None and seen.body == row.body:
            continue
        try:
            await write_over(target, row.key, row.body, seen, row.expires_at)
        except Conflict:
            continue  # it is being written there: newer than ours
        copied += 1
    return copied
