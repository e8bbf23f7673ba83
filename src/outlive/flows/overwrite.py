"""A record written whatever is there: for notes of which the last one counts."""

from __future__ import annotations

from contextlib import suppress

from outlive.errors import Conflict
from outlive.flows.retry import retrying
from outlive.protocols import Absent, At, Clock, Keep, Row, Table

ATTEMPTS = 5


async def overwrite(table: Table, key: str, body: bytes, clock: Clock, *, expires_at: float | None) -> None:
    """Write it; when others write it at the same time, theirs may be the last. `Unavailable` when it is not stored."""
    for _ in range(ATTEMPTS):
        row = await retrying(lambda: table.read(key), clock)
        with suppress(Conflict):
            await retrying(lambda row=row: write_over(table, key, body, row, expires_at), clock)  # type: ignore[misc]
            return


async def write_over(table: Table, key: str, body: bytes, row: Row | None, expires_at: float | None) -> Row:
    """One conditional write over the record that was read, or over none; `Conflict` when it has changed since."""
    expected = At(row.version, row.fence) if row else Absent()
    return await table.write(key, body, expected=expected, lease=Keep(), expires_at=expires_at)
