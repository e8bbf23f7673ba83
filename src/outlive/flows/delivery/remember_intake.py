"""What a polled channel has to remember between two starts: how far it has read, and which group has moved."""

from __future__ import annotations

import json
from dataclasses import dataclass

from outlive.core.keys import quote_part
from outlive.core.senders import moved_key
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Absent, At, Keep

STALE_SECONDS = 6 * 86400.0
"""Telegram begins with other numbers after a week without updates: an older mark says nothing."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a source was read."""

    number: int
    at: float


async def read_mark(engine: Engine, stores: TenantStores, source: str) -> int | None:
    """The number of the last message that was handed over; None when there is none, or it is too old to count."""
    row = await retrying(lambda: stores.table.read(_mark(source)), engine.clock)
    mark = Mark(**json.loads(row.body)) if row else None
    return mark.number if mark and mark.at + STALE_SECONDS > engine.clock.now() else None


async def write_mark(engine: Engine, stores: TenantStores, source: str, number: int) -> None:
    """Everything up to this number was handed over; `Conflict` when another process reads the same source."""
    row = await retrying(lambda: stores.table.read(_mark(source)), engine.clock)
    expected = At(row.version, row.fence) if row else Absent()
    body = json.dumps({"number": number, "at": engine.clock.now()}).encode()
    await stores.table.write(_mark(source), body, expected=expected, lease=Keep(), expires_at=None)


async def first_chat(engine: Engine, stores: TenantStores, channel: str, chat: int) -> int:
    """The id under which a group's sessions began; its own when it has never moved."""
    row = await retrying(lambda: stores.table.read(moved_key(channel, chat)), engine.clock)
    return int(json.loads(row.body)["first"]) if row else chat


async def note_move(engine: Engine, stores: TenantStores, channel: str, *, old: int, new: int) -> int:
    """A group got another id; its sessions stay under the first one, which is returned. Repeats change nothing."""
    first = await first_chat(engine, stores, channel, old)
    if await first_chat(engine, stores, channel, new) == new and first != new:
        body = json.dumps({"first": first}).encode()
        await stores.table.write(moved_key(channel, new), body, expected=Absent(), lease=Keep(), expires_at=None)
    return first


def _mark(source: str) -> str:
    return f"mark/{quote_part(source)}"
