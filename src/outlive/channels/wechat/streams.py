"""A WeCom bot's open answers: what the vendor is shown when it asks, and whether it has seen the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import blake2b

from outlive.core.keys import SessionKey
from outlive.errors import Conflict, Corrupt
from outlive.protocols import Absent, At, Clock, Keep, Row, Table

KEPT_SECONDS = 2 * 86400.0
MAX_KEPT = 64 * 1024
"""Characters of a reply in its record; more than a stream and a late answer can show."""
TRIES = 8


@dataclass(frozen=True, slots=True)
class Stream:
    """One message's answer."""

    message_id: str
    asked_at: float
    response_url: str
    final: str | None = None
    """The reply, once it is committed."""
    ended: bool = False
    """The vendor has been told that nothing more comes in the stream."""
    seen: bool = False
    """It has been given the reply, or the late answer was taken."""


def stream_id(message_id: str) -> str:
    """What the stream of a message is called."""
    return blake2b(message_id.encode(errors="replace"), digest_size=16).hexdigest()


class Streams:
    """The records, each in its chat's own tenant."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table, self._clock = table, clock

    async def open(self, key: SessionKey, stream: Stream) -> Stream:
        """Begin an answer; one that has begun is left as it is, so that a repeat changes nothing."""
        name = _name(key, stream_id(stream.message_id))
        try:
            await self._write(name, stream, None)
        except Conflict:
            found = await self._row(name)
            return _decode(found) if found else stream
        return stream

    async def read(self, key: SessionKey, name: str) -> Stream | None:
        """The answer of this name; None when there is none, or its time is over."""
        row = await self._row(_name(key, name))
        return _decode(row) if row else None

    async def change(self, key: SessionKey, name: str, change: Callable[[Stream], Stream]) -> Stream | None:
        """Change it against everybody else who does; None when there is none."""
        place = _name(key, name)
        for _ in range(TRIES):
            row = await self._row(place)
            if row is None:
                return None
            before = _decode(row)
            after = change(before)
            if after == before:
                return before
            try:
                await self._write(place, after, row)
            except Conflict:
                continue
            return after
        raise Conflict(f"record {place} is changed all the time.", fix="Try again.")

    async def _row(self, name: str) -> Row | None:
        row = await self._table.read(name)
        return row if row and (row.expires_at or 0.0) > self._clock.now() else None

    async def _write(self, name: str, stream: Stream, row: Row | None) -> None:
        expected = At(row.version, row.fence) if row else Absent()
        expires_at = self._clock.now() + KEPT_SECONDS
        await self._table.write(
            name, json.dumps(asdict(stream)).encode(), expected=expected, lease=Keep(), expires_at=expires_at
        )


def _name(key: SessionKey, name: str) -> str:
    return f"{key.tenant}/stream/{blake2b(f'{key} {name}'.encode(), digest_size=16).hexdigest()}"


def _decode(row: Row) -> Stream:
    try:
        return Stream(**json.loads(row.body))
    except (ValueError, TypeError) as error:
        raise Corrupt(f"record {row.key} cannot be read.", fix="Delete it.") from error
