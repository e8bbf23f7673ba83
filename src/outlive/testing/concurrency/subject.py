"""What the kit is aimed at: a store that can be opened several times, and what may be done to it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from uuid import uuid4

Key = dict[str, str]
Entry = dict[str, Any]

PATIENCE = 60.0
"""Seconds that one check may take."""


class Broken(Exception):
    """The store does not keep a promise."""

    def __init__(self, kind: str, detail: str) -> None:
        """`kind` is one word: fork, duplicate, reorder, loss, torn, gap, stale, corrupt, mixed up, changed."""
        self.kind = kind
        self.detail = detail
        super().__init__(f"{kind}: {detail}")


class NotRun(Exception):
    """This cannot be asked of the store; the text says why."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of store. Each `open()` is a handle as another process, or another host, would have it."""

    open: Callable[[], Awaitable[Any]]
    """A new handle on the same stored data: `append`, `load`, and `delete` where it has one, as coroutines."""
    damage: Callable[[Mapping[str, str]], Awaitable[None]] | None = None
    """Changes one stored byte of a session, past the store; None where the kit cannot reach that."""
    outage: Callable[[], AbstractContextManager[object]] | None = None
    """While the block runs, what is below the store does not answer; None where the kit cannot do that."""
    project: str = "outlive-conformance"
    """The project key that sessions are made below."""

    def key(self, subpath: str = "") -> Key:
        """A session nobody has used before."""
        key = {"project_key": self.project, "session_id": str(uuid4())}
        return key | {"subpath": subpath} if subpath else key

    async def loaded(self, key: Key) -> list[Entry]:
        """What a process that knows nothing loads; an unknown session is empty."""
        return list(await (await self.open()).load(key) or [])

    async def uuids(self, key: Key) -> list[str]:
        """The uuids of that."""
        return uuids(await self.loaded(key))


def uuids(entries: Sequence[Entry] | None) -> list[str]:
    """The uuids of the entries that have one."""
    return [entry["uuid"] for entry in entries or () if "uuid" in entry]


def entry(name: str, parent: str | None = None, text: str = "") -> Entry:
    """An entry in the CLI's shape."""
    return {"type": "user", "uuid": name, "parentUuid": parent, "message": {"role": "user", "content": text or name}}


def chain(*names: str, after: str | None = None) -> list[Entry]:
    """Entries each of which builds on the one before."""
    return [entry(name, parent) for name, parent in zip(names, (after, *names), strict=False)]


@contextmanager
def skewed(seconds: float) -> Iterator[None]:
    """The wall clock goes wrong by so much; the event loop's own clock does not."""
    right, right_ns = time.time, time.time_ns
    with (
        patch.object(time, "time", lambda: right() + seconds),
        patch.object(time, "time_ns", lambda: right_ns() + int(seconds * 1e9)),
    ):
        yield


def compare(expected: Sequence[str], found: Sequence[str], when: str) -> None:
    """`Broken` says how the uuids found differ from those expected: more, fewer, or in another order."""
    if repeated := sorted({name for name in found if found.count(name) > 1}):
        raise Broken("duplicate", f"{when}, {repeated[0]} is there {found.count(repeated[0])} times")
    if lost := [name for name in expected if name not in found]:
        raise Broken("loss", f"{when}, {len(lost)} of {len(expected)} acknowledged entries are gone ({lost[0]})")
    if list(found) != list(expected):
        raise Broken("reorder", f"{when}, the order is {_short(found)} instead of {_short(expected)}")


def _short(names: Sequence[str]) -> str:
    shown = ", ".join(names[:6])
    return f"{shown}, …" if len(names) > 6 else shown
