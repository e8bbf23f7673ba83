"""Checks of the stores, and of the sessions in them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from outlive.core.keys import SessionId
from outlive.core.sessions import Head, decode_head
from outlive.core.wording import counted
from outlive.entrypoints.doctor.findings import Found, fail, warn
from outlive.errors import Corrupt, Unavailable
from outlive.flows.knowledge.keep_archive import count_waiting
from outlive.flows.list_all import scan_all
from outlive.flows.sessions.list_sessions import is_held
from outlive.flows.turn.find_flushes import find_flushes
from outlive.protocols import Objects, Queue, Row, Table
from outlive.wiring import App

_HEAD = re.compile(r"([^/]+)/head/([^/]+)\Z")
CLOCK_SKEW = 60.0
NAMED = 5
"""How many sessions a line names."""


async def ping(store: Table | Queue | Objects, url: str) -> Found:
    """Whether it answers."""
    await store.ping()
    return Found(f"{url} answers")


async def queue_depth(app: App) -> Found:
    """Dead letters are messages that nobody will answer."""
    depth = await app.engine.queue.depth()
    text = f"waiting: {depth.waiting}, with a worker: {depth.in_flight}, dead letters: {depth.dead}"
    return warn(text, "See `outlive queue dead`.") if depth.dead else Found(text)


async def archive(app: App) -> Found:
    """Whether it answers, and what waits to be put there."""
    engine = app.engine
    if engine.archive is None:
        return Found("lies beside the other objects")
    waiting = await count_waiting(engine, app.stores)
    wait = f"{counted(waiting, 'turn')} of tenant {app.stores.tenant} not in it yet"
    try:
        await engine.archive.ping()
    except Unavailable as error:
        return fail(f"{error.message} {wait}", "Nothing is lost: the next `outlive archive collect` takes them.")
    return Found(f"answers, {wait}")


class Sessions:
    """The heads of all tenants, read once for several checks."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._rows: list[tuple[Row, str, Head]] = []
        self._damaged: list[str] = []

    async def readable(self) -> Found:
        """Whether every head can be read, and none comes from the future."""
        now = self._app.engine.clock.now()
        for row in await scan_all(self._app.engine.table, "", self._app.engine.clock):
            self._take(row)
        if self._damaged:
            return fail(f"{_named(self._damaged)}", "Restore the table from a backup.")
        text = f"{counted(len(self._rows), 'session')}, schema of each is known"
        ahead = max((head.updated_at - now for _, _, head in self._rows), default=0.0)
        if ahead > CLOCK_SKEW:
            return warn(f"{text}; one was changed {ahead:,.0f} s in the future", "Set the clocks of all workers (NTP).")
        return Found(text)

    async def leases(self) -> Found:
        """Leases that have run out without being given back: their workers died."""
        now = self._app.engine.clock.now()
        held = sum(is_held(row, now) for row, _, _ in self._rows)
        stale = [head.session_id for row, _, head in self._rows if row.owner is not None and not is_held(row, now)]
        text = f"held: {counted(held, 'session')}, by workers that died: {len(stale)}"
        if stale:
            return warn(f"{held} held, {len(stale)} left by workers that died: {_named(stale)}", _NEXT_MESSAGE)
        return Found(text)

    async def interrupted(self) -> Found:
        """Turns that were flushed and never committed."""
        engine = self._app.engine
        now = engine.clock.now()
        found: list[SessionId] = []
        for row, tenant, head in self._rows:
            if row.fence > head.clean_fence and not is_held(row, now):
                flushes = await find_flushes(engine, engine.stores(tenant), head)
                found += [head.session_id] if flushes else []
        if found:
            return warn(f"interrupted: {counted(len(found), 'turn')}: {_named(found)}", _NEXT_DELIVERY)
        return Found("no turn was interrupted")

    def _take(self, row: Row) -> None:
        where = _HEAD.match(row.key)
        if where is None:
            return
        try:
            self._rows.append((row, where[1], decode_head(row.body, row.key)))
        except Corrupt as error:
            self._damaged.append(error.message)


_NEXT_MESSAGE = "Nothing has to be done: the next message of each takes it over."
_NEXT_DELIVERY = "The next delivery of each one's message finishes it; so does `outlive chat --session KEY`."


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
