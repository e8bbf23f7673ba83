"""The sessions of a tenant that fit a description, in whole pages."""

from __future__ import annotations

import json
from dataclasses import dataclass

from outlive.core.keys import parse_session_key, quote_part
from outlive.errors import Corrupt, Invalid
from outlive.flows.engine import Engine
from outlive.flows.sessions.list_sessions import (
    MAX_PAGE,
    SessionLine,
    SessionPage,
    is_held,
    list_sessions,
    read_line,
    scan_page,
)
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Row

MOST_ROWS = 20_000
"""Heads that one page looks through; where fewer than asked for fit until then, the page is shorter."""


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """What a session has to be; what is left out fits all."""

    channel: str = ""
    user: str = ""
    """Chat id."""
    text: str = ""
    """In the key or in the title, upper case or lower."""
    running: bool | None = None
    """Whether a turn runs in it."""
    waiting: bool | None = None
    """Whether a call in it waits for a person."""

    def fits(self, line: SessionLine) -> bool:
        """Whether the session is one of them."""
        key = parse_session_key(line.key)
        return (
            self.channel in ("", key.channel)
            and self.user in ("", key.chat_id)
            and self.text.lower() in f"{line.key} {line.title}".lower()
            and self.running in (None, line.held_until is not None)
            and self.waiting in (None, line.approval is not None)
        )


async def filter_sessions(
    engine: Engine, stores: TenantStores, wanted: SessionFilter, *, after: str = "", limit: int = 50
) -> SessionPage:
    """The sessions that fit, `limit` of them where there are as many: heads that cannot fit are not unpacked.

    A page ends early after 20,000 heads. `damaged` names the heads looked at that cannot be read, and might fit.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise Invalid(f"limit is {limit}.", fix=f"Ask for 1 to {MAX_PAGE} sessions.")
    if wanted == SessionFilter():
        return await list_sessions(engine, stores, after=after, limit=limit)
    look = _Look(wanted, stores.tenant, engine.clock.now(), limit)
    while not look.is_over:
        rows = await scan_page(engine, stores, after, MAX_PAGE)
        if not rows:
            return look.page(None)
        after = look.take(rows)
    return look.page(after)


class _Look:
    """One page in the making."""

    def __init__(self, wanted: SessionFilter, tenant: str, now: float, limit: int) -> None:
        self._wanted, self._now, self._limit = wanted, now, limit
        self._marks = _marks(wanted, tenant)
        self._text = wanted.text.lower().encode() if _is_plain(wanted.text) else b""
        self._lines: list[SessionLine] = []
        self._damaged: list[str] = []
        self._seen = 0

    @property
    def is_over(self) -> bool:
        return len(self._lines) >= self._limit or self._seen >= MOST_ROWS

    def take(self, rows: list[Row]) -> str:
        """Look at them until the page is full; the id of the last one that was looked at."""
        for row in rows:
            self._seen += 1
            if self._may_fit(row):
                self._read(row)
            if self.is_over:
                break
        return row.key.rpartition("/")[2]

    def _may_fit(self, row: Row) -> bool:
        """False where the stored form alone shows that it does not: unpacking a head takes twenty times as long."""
        if self._wanted.running not in (None, is_held(row, self._now)):
            return False
        if any(mark not in row.body for mark in self._marks):
            return False
        return not self._text or b"\\u" in row.body or self._text in row.body.lower()

    def _read(self, row: Row) -> None:
        try:
            line = read_line(row, self._now)
        except Corrupt as error:
            self._damaged.append(str(error))
            return
        if line is not None and self._wanted.fits(line):
            self._lines.append(line)

    def page(self, after: str | None) -> SessionPage:
        return SessionPage(tuple(self._lines), tuple(self._damaged), after)


def _marks(wanted: SessionFilter, tenant: str) -> list[bytes]:
    """What is in the stored form of every head that fits."""
    channel, user = quote_part(wanted.channel), quote_part(wanted.user)
    marks = [f'"key":"{tenant}:{channel}:'] if channel else []
    marks += [f":{user}:"] if user else []
    marks += ['"approval":{'] if wanted.waiting else []
    return [mark.encode() for mark in marks]


def _is_plain(text: str) -> bool:
    """Whether it is stored as it is written."""
    return text.isascii() and json.dumps(text) == f'"{text}"'
