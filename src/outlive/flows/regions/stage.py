"""The copy of a record in the other region: written before the record itself, and only by whoever may write that."""

from __future__ import annotations

from contextlib import suppress

from outlive.core.regions import Regions, copied_version, copy_lease, is_of_another, mark
from outlive.errors import AlreadyExists, VersionConflict
from outlive.protocols import Absent, At, Expected, Keep, LeaseChange, Raise, Row, Table

ATTEMPTS = 6


async def stage(
    table: Table, regions: Regions, wanted: Row, known: Row | None = None, *, home: Table | None = None
) -> Row:
    """Make the copy in `table` what `wanted`, the record at its home, is about to be; the copy as written.

    A mapping's copy of another token is of one that was made at the same time, or is gone: with `home` it is carried
    through where that can still be, without it, when `wanted` has been read at home, it is written over.
    `VersionConflict` when something newer is there: the record has a new home, or another worker was first. Where
    `home` is given, a version that another worker copied and did not come to write is written for it: otherwise nobody
    could ever write that version.
    """
    seen = known if known is not None and not is_of_another(known, wanted) else await table.read(wanted.key)
    for _ in range(ATTEMPTS):
        is_foreign = seen is not None and is_of_another(seen, wanted)
        if seen is not None and not is_foreign and _is_there(seen, wanted, regions):
            return seen
        if seen is not None and await _is_on_its_way(home, wanted, seen, is_foreign=is_foreign):
            await _carry_through(home, wanted, seen)
            raise VersionConflict(f"The record {wanted.key!r} is written by somebody else just now.")
        try:
            return await _write(table, regions, wanted, seen)
        except (VersionConflict, AlreadyExists):
            seen = await table.read(wanted.key)
    raise VersionConflict(f"The copy of {wanted.key!r} is written by too many workers at once.")


async def _is_on_its_way(home: Table | None, wanted: Row, seen: Row, *, is_foreign: bool) -> bool:
    """Whether the copy is of a version that somebody else has begun to write; one of a mapping that is gone is not."""
    if not is_foreign:
        return mark(seen) == mark(wanted)
    record = None if home is None else await home.read(wanted.key)
    return home is not None and (record is None or record.fence != wanted.fence)


def _is_there(seen: Row, wanted: Row, regions: Regions) -> bool:
    """Whether the copy is this one already; `VersionConflict` when it may not be overwritten."""
    if regions.home(seen.fence) != regions.home(wanted.fence) and seen.fence > wanted.fence:
        raise VersionConflict(
            f"The record {wanted.key!r} has been taken over by region {regions.home(seen.fence)}.",
            fix="This region's epoch is over: see `outlive region status`.",
        )
    if regions.home(seen.fence) == regions.home(wanted.fence) and mark(seen) > mark(wanted):
        raise VersionConflict(f"The copy of {wanted.key!r} is newer than what was to be written.")
    return mark(seen) == mark(wanted) and seen.body == wanted.body and copied_version(seen) is not None


async def _write(table: Table, regions: Regions, wanted: Row, seen: Row | None) -> Row:
    lease = copy_lease(regions.home(wanted.fence), wanted.fence, wanted.version)
    expected: Expected = Absent() if seen is None else At(seen.version, seen.fence)
    return await table.write(wanted.key, wanted.body, expected=expected, lease=lease, expires_at=wanted.expires_at)


async def _carry_through(home: Table | None, wanted: Row, seen: Row) -> None:
    if home is None or (is_of_another(seen, wanted) and mark(seen)[1] > 1):
        return
    expected: Expected = At(wanted.version - 1, wanted.fence)
    lease: LeaseChange = Keep()
    if mark(seen)[1] == 1:
        expected, lease = Absent(), Raise(seen.fence)
    with suppress(VersionConflict, AlreadyExists):
        await home.write(seen.key, seen.body, expected=expected, lease=lease, expires_at=seen.expires_at)
