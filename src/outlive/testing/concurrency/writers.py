"""Several processes on one session: order, forks, what the other one wrote and removed."""

from __future__ import annotations

import asyncio
from typing import Any

from outlive.testing.concurrency.subject import (
    Broken,
    Entry,
    Key,
    NotRun,
    Subject,
    chain,
    compare,
    entry,
    skewed,
    uuids,
)

WRITERS, BATCHES = 4, 12
TRIES = 200
HOUR = 3600.0


async def order(subject: Subject) -> None:
    """Entries come back as they were, in the order of the appends."""
    key, store = subject.key(), await subject.open()
    entries = chain(*(f"u{number}" for number in range(12)))
    for each in entries:
        await store.append(key, [each])
    compare(uuids(entries), await subject.uuids(key), "after twelve appends")
    if await subject.loaded(key) != entries:
        raise Broken("changed", "an entry is not equal to what was appended")


async def clock_skew(subject: Subject) -> None:
    """The order does not hang on the writers' clocks."""
    key = subject.key()
    entries = chain("u1", "u2", "u3")
    for each, seconds in zip(entries, (0.0, -HOUR, HOUR), strict=True):
        store = await subject.open()
        await store.load(key)
        with skewed(seconds):
            await store.append(key, [each])
    compare(uuids(entries), await subject.uuids(key), "with a second writer's clock an hour behind")


async def two_writers(subject: Subject) -> None:
    """Of appends at the same time each acknowledged one is kept, once, in its writer's order; others are refused."""
    key = subject.key()
    stores = [await subject.open() for _ in range(WRITERS)]
    await asyncio.gather(*(_write(store, key, f"w{number}") for number, store in enumerate(stores)))
    found = await subject.uuids(key)
    for number in range(WRITERS):
        mine = [f"w{number}-{batch}" for batch in range(BATCHES)]
        compare(mine, [name for name in found if name.startswith(f"w{number}-")], f"with {WRITERS} writers at once")


async def _write(store: Any, key: Key, name: str) -> None:  # noqa: ANN401 - anybody's store
    for batch in range(BATCHES):
        await _append_in_the_end(store, key, [entry(f"{name}-{batch}")])


async def _append_in_the_end(store: Any, key: Key, entries: list[Entry]) -> None:  # noqa: ANN401 - anybody's store
    """A writer that was refused loads again and repeats its append, as it would after a lost race."""
    for _ in range(TRIES):
        try:
            await store.append(key, entries)
        except Exception as error:  # noqa: BLE001 - a refusal has any type
            last = error
            await store.load(key)
        else:
            return
    raise Broken("refused", f"a writer got nowhere in {TRIES} tries: {type(last).__name__}: {last}")


async def fork(subject: Subject) -> None:
    """Who builds on a transcript that somebody else has gone on with is refused: it has one last entry, not two."""
    key, first, second = subject.key(), await subject.open(), await subject.open()
    await first.append(key, chain("u1"))
    await first.load(key)
    await second.load(key)
    await first.append(key, [entry("a1", "u1")])
    try:
        await second.append(key, [entry("b1", "u1")])
    except Exception:  # noqa: BLE001 - a refusal has any type
        compare(["u1", "a1"], await subject.uuids(key), "after the refusal")
        return
    found = await subject.uuids(key)
    if {"a1", "b1"} <= set(found):
        raise Broken("fork", "two entries build on u1, and a resume sees only the branch that was written last")
    compare(["u1", "a1", "b1"], found, "after two appends to one entry")


async def stale_read(subject: Subject) -> None:
    """A load sees every append that was acknowledged before it began, whoever made it."""
    key, first, second = subject.key(), await subject.open(), await subject.open()
    entries = chain("u1", "u2", "u3")
    await first.append(key, entries[:1])
    await second.load(key)
    await first.append(key, entries[1:2])
    for number, store in ((2, second), (2, first)):
        if uuids(await store.load(key)) != uuids(entries[:number]):
            raise Broken("stale", "a process that had loaded before does not see what another one appended since")
    await second.append(key, entries[2:])
    if uuids(await first.load(key)) != uuids(entries):
        raise Broken("stale", "the first writer does not see what the second one appended")


async def deletion(subject: Subject) -> None:
    """A deleted session is gone for every process, its subagents with it, and its neighbour is not."""
    key, neighbour = subject.key(), subject.key()
    below = key | {"subpath": "subagents/agent-1"}
    first, second = await subject.open(), await subject.open()
    if not hasattr(first, "delete"):
        raise NotRun("the store has no delete")
    for each in (key, below, neighbour):
        await first.append(each, chain("u1"))
    await second.load(key)
    await second.delete(key)
    for store in (first, second, await subject.open()):
        if await store.load(key) or await store.load(below):
            raise Broken("not erased", "entries of a deleted session can be loaded")
    compare(["u1"], await subject.uuids(neighbour), "after its neighbour was deleted")
