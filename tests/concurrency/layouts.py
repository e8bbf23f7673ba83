"""Small local models of the layouts that published example stores have, with the faults those layouts have."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from outlive.testing.concurrency import Subject

ITEM_LIMIT = 400_000
Key = Mapping[str, str]


@dataclass
class Backend:
    """Named values that outlive every handle; each call gives way to others once, as a network does."""

    values: dict[str, bytes] = field(default_factory=dict)
    down: bool = False

    async def put(self, name: str, value: bytes) -> None:
        await self._sent()
        self.values[name] = value
        await asyncio.sleep(0.002)  # a request takes longer than a clock ticks

    async def get(self, name: str) -> bytes | None:
        await self._sent()
        return self.values.get(name)

    async def names(self, prefix: str) -> list[str]:
        await self._sent()
        return sorted(name for name in self.values if name.startswith(prefix))

    async def delete(self, names: Sequence[str]) -> None:
        await self._sent()
        for name in names:
            self.values.pop(name, None)

    async def _sent(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise ConnectionResetError("down")

    async def damage(self, key: Key) -> None:
        """Cut the last value of a session in half."""
        name = max(name for name in self.values if key["session_id"] in name)
        self.values[name] = self.values[name][: len(self.values[name]) // 2]

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Nothing answers while the block runs."""
        self.down = True
        try:
            yield
        finally:
            self.down = False


class PartPerAppend:
    """One object for each append, named by the writer's clock; unreadable lines are passed over."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def append(self, key: Key, entries: list[Any]) -> None:
        name = f"{_folder(key)}part-{int(time.time() * 1000):013d}-{random.getrandbits(24):06x}"
        await self._backend.put(name, "\n".join(json.dumps(entry) for entry in entries).encode())

    async def load(self, key: Key) -> list[Any] | None:
        names = [name for name in await self._backend.names(_folder(key)) if "part-" in name[len(_folder(key)) :]]
        names = [name for name in names if "/" not in name[len(_folder(key)) :]]
        parts = [await self._backend.get(name) or b"" for name in names]
        lines = [line for part in parts for line in part.decode(errors="replace").splitlines()]
        return [entry for line in lines if (entry := _parsed(line)) is not None] if names else None

    async def delete(self, key: Key) -> None:
        await self._backend.delete(await self._backend.names(_folder(key)))


class ReadModifyWrite:
    """One value for each transcript, read whole, added to and written back."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def append(self, key: Key, entries: list[Any]) -> None:
        before = await self._backend.get(_folder(key))
        joined = [*json.loads(before or b"[]"), *entries]
        await self._backend.put(_folder(key), json.dumps(joined).encode())

    async def load(self, key: Key) -> list[Any] | None:
        value = await self._backend.get(_folder(key))
        return None if value is None else json.loads(value)


class ItemPerMessage:
    """One item for each entry, numbered by a counter that each process keeps for itself; items have a size limit.

    A uuid is known again within one process only; a session's name is its parts with colons between.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._next: dict[str, int] = {}
        self._known: defaultdict[str, set[str]] = defaultdict(set)

    async def append(self, key: Key, entries: list[Any]) -> None:
        name = ":".join(key.values())
        if name not in self._next:
            self._next[name] = len(await self._backend.names(f"{name}#"))
        for entry in entries:
            if entry.get("uuid") in self._known[name]:
                continue
            item = json.dumps(entry).encode()
            if len(item) > ITEM_LIMIT:
                raise ValueError("Item size has exceeded the maximum allowed size")
            await self._backend.put(f"{name}#{self._next[name]:08d}", item)
            self._next[name] += 1
            self._known[name].add(entry.get("uuid"))

    async def load(self, key: Key) -> list[Any] | None:
        names = await self._backend.names(":".join(key.values()) + "#")
        return [json.loads(await self._backend.get(name) or b"") for name in names] or None


class ForgivingReader(ReadModifyWrite):
    """A read that fails is taken for a session that is not there, and a cache is never looked behind."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self._cache: dict[str, list[Any] | None] = {}

    async def load(self, key: Key) -> list[Any] | None:
        if _folder(key) not in self._cache:
            try:
                self._cache[_folder(key)] = await super().load(key)
            except ConnectionError:
                return None
        return self._cache[_folder(key)]


def subject(layout: type[Any]) -> Subject:
    """An empty world with stores of this layout."""
    backend = Backend()

    async def open_store() -> Any:
        return layout(backend)

    return Subject(open_store, damage=backend.damage, outage=backend.outage)


def _folder(key: Key) -> str:
    return "/".join(key.values()) + "/"


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


S3_LIKE = subject(PartPerAppend)
"""`outlive conformance --store tests.concurrency.layouts:S3_LIKE`."""
