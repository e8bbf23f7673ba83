"""A record that several workers change: read, decide, write if nobody was faster, and again if somebody was."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from outlive.errors import AlreadyExists, Unavailable, VersionConflict
from outlive.flows.retry import retrying
from outlive.protocols import Absent, At, Clock, Free, Keep, Row, Table

T = TypeVar("T")

ATTEMPTS = 60
PAUSE = 0.02
LONGEST_PAUSE = 0.5


async def change_record(
    table: Table, key: str, clock: Clock, decide: Callable[[bytes | None], tuple[bytes | None, T]]
) -> T:
    """What `decide` found, once the body it gave is stored; a body of None, or the one that is there, writes nothing.

    `decide` may be called again with a newer body, also when its first one has landed and the reply was lost: it has to
    find the same answer then. `Unavailable` when the table does not answer, or others were faster every time.
    """
    lost: Unavailable | None = None
    for attempt in range(ATTEMPTS):
        row = await retrying(lambda: table.read(key), clock)
        body, found = decide(row.body if row else None)
        if body is None or (row and body == row.body):
            return found
        try:
            await _write(table, key, row, body)
        except (VersionConflict, AlreadyExists):
            lost = None
        except Unavailable as error:
            if lost is not None:
                raise
            lost = error
        else:
            return found
        await clock.sleep(min(PAUSE * (attempt + 1), LONGEST_PAUSE))
    raise Unavailable(f"record {key} is changed by too many workers at once.", fix="The message is tried again.")


async def _write(table: Table, key: str, row: Row | None, body: bytes) -> None:
    if row is None:
        await table.write(key, body, expected=Absent(), lease=Free(), expires_at=None)
    else:
        await table.write(key, body, expected=At(row.version, row.fence), lease=Keep(), expires_at=None)
