"""An append that is repeated, and one that ends in the middle."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from outlive.testing.concurrency.subject import Broken, Entry, Key, Subject, chain, compare, entry, uuids

TICKS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
"""Turns of the event loop after which an append is cut off: at each of its first steps, then ever more rarely."""


async def redelivery(subject: Subject) -> None:
    """A batch that is delivered again, by the same process or by another, is kept once."""
    key, entries, store = subject.key(), chain("u1", "u2"), await subject.open()
    await store.append(key, entries)
    await store.append(key, entries)
    compare(uuids(entries), await subject.uuids(key), "after the same append again")
    other = await subject.open()
    await other.load(key)
    await other.append(key, entries)
    compare(uuids(entries), await subject.uuids(key), "after the same append by another process")


async def lost_reply(subject: Subject) -> None:
    """An append that landed, whose reply was lost and which is tried again later, changes nothing."""
    key, store = subject.key(), await subject.open()
    entries = chain("u1", "u2", "u3", "u4")
    await store.append(key, entries[:2])
    await store.append(key, entries[2:])
    again = await subject.open()
    await again.load(key)
    await again.append(key, [*entries[:2], entry("u5", "u4")])
    compare([*uuids(entries), "u5"], await subject.uuids(key), "after a late repeat of the first append")


async def crash(subject: Subject) -> None:
    """An append that is cut off at any step is there whole or not at all, and its repeat makes it whole, once."""
    for ticks in TICKS:
        key, store = subject.key(), await subject.open()
        begun, torn = chain("u1"), chain("u2", "u3", "u4", after="u1")
        await store.append(key, begun)
        await _cut_off(store, key, torn, ticks)
        when = f"after an append was cut off at step {ticks}"
        found = await subject.uuids(key)
        if len(found) not in (1, 4):
            raise Broken("torn", f"{when}, {len(found) - 1} of its 3 entries are there")
        heir = await subject.open()
        await heir.load(key)
        await heir.append(key, torn)
        compare(uuids([*begun, *torn]), await subject.uuids(key), f"{when} and repeated")


async def _cut_off(store: Any, key: Key, entries: list[Entry], ticks: int) -> None:  # noqa: ANN401 - anybody's store
    appending = asyncio.ensure_future(store.append(key, entries))
    for _ in range(ticks + 1):
        await asyncio.sleep(0)
    appending.cancel()
    with suppress(asyncio.CancelledError):
        await appending
