"""The checks in order, each run on a session of its own, cleaned up after."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from outlive.testing.concurrency.content import awkward_text, corruption, gap, keys_apart, oversized, read_error
from outlive.testing.concurrency.report import Report, Verdict
from outlive.testing.concurrency.steps import crash, lost_reply, redelivery
from outlive.testing.concurrency.subject import PATIENCE, Broken, Key, NotRun, Subject
from outlive.testing.concurrency.writers import clock_skew, deletion, fork, order, stale_read, two_writers

Check = Callable[[Subject], Awaitable[None]]

CHECKS: Sequence[Check] = (
    order,
    redelivery,
    lost_reply,
    clock_skew,
    two_writers,
    fork,
    stale_read,
    crash,
    oversized,
    awkward_text,
    gap,
    corruption,
    read_error,
    keys_apart,
    deletion,
)


async def run_kit(subject: Subject, name: str = "store", checks: Sequence[Check] = CHECKS) -> Report:
    """Ask everything, one check after the other; sessions made on the way are deleted where the store can do that."""
    made: list[Key] = []
    watched = _Remembering(subject, made)
    try:
        verdicts = [await _ask(check, watched.subject) for check in checks]
    finally:
        await _clean(subject, made)
    return Report(name, verdicts)


class _Remembering:
    """Opens handles that tell which sessions they wrote to."""

    def __init__(self, subject: Subject, made: list[Key]) -> None:
        self._inner = subject
        self._made = made
        self.subject = replace(subject, open=self._open)

    async def _open(self) -> object:
        return _Handle(await self._inner.open(), self._made)


class _Handle:
    def __init__(self, store: object, made: list[Key]) -> None:
        self._store = store
        self._made = made

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def append(self, key: Key, entries: list[object]) -> None:
        main = {name: value for name, value in key.items() if name != "subpath"}
        if main not in self._made:
            self._made.append(main)
        await self._store.append(key, entries)  # type: ignore[attr-defined]


async def _clean(subject: Subject, made: Sequence[Key]) -> None:
    store = await subject.open()
    if not hasattr(store, "delete"):
        return
    for key in made:
        with suppress(Exception):  # a store that cannot delete has been told so by its verdict
            await store.delete(key)


async def _ask(check: Check, subject: Subject) -> Verdict:
    name, promise = check.__name__.replace("_", " "), (check.__doc__ or "").strip()
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE):
            await check(subject)
    except Broken as found:
        return Verdict(name, promise, "broken", found.kind, found.detail, time.perf_counter() - began)
    except NotRun as found:
        return Verdict(name, promise, "not run", detail=str(found))
    except Exception as error:  # noqa: BLE001 - whatever a foreign store raises is its verdict
        detail = f"{type(error).__name__}: {error}"[:300]
        return Verdict(name, promise, "broken", "error", detail, time.perf_counter() - began)
    return Verdict(name, promise, "kept", seconds=time.perf_counter() - began)
