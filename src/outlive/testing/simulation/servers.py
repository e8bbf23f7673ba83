"""The simulated servers: the memory family with a monitor at every change, a queue that wakes, a cache that lies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from outlive.core.messages import decode_inbound
from outlive.errors import AlreadyExists
from outlive.memory.objects import MemoryObjects
from outlive.memory.queue import MemoryQueue
from outlive.memory.server import MemoryServer, Waiting
from outlive.memory.table import MemoryTable
from outlive.protocols import At, Clock, Delivery, Expected, LeaseChange, Message, Row
from outlive.testing.simulation.monitor import Monitor
from outlive.testing.simulation.processes import HELD, MESSAGE, Process


@dataclass
class Servers:
    """What all processes share."""

    memory: MemoryServer
    monitor: Monitor
    clock: Clock
    random: Random
    loose_queue: bool
    dedupe_window: float
    cache: dict[str, bytes] = field(default_factory=dict)
    waiters: list[asyncio.Future[None]] = field(default_factory=list)

    def wake(self) -> None:
        """Something has changed in the queue."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.waiters.clear()


class SimulatedTable(MemoryTable):
    """One process's handle on the table."""

    def __init__(self, servers: Servers, process: Process) -> None:
        super().__init__(servers.memory)
        self._process, self._monitor = process, servers.monitor
        self._lease: LeaseChange | None = None

    async def write(
        self, key: str, body: bytes, *, expected: Expected, lease: LeaseChange, expires_at: float | None
    ) -> Row:
        before: list[Row | None] = []
        table = _Watched(self._server, before)
        row = await table.write(key, body, expected=expected, lease=lease, expires_at=expires_at)
        self._monitor.row_written(self._process, before[0], row, lease)
        if before[0] is None and "/head/" in key:
            HELD.set((key.rpartition("/")[-1], row.fence))
        return row

    async def acquire(self, key: str, owner: str, *, now: float, until: float) -> Row | None:
        before: list[Row | None] = []
        row = await _Watched(self._server, before).acquire(key, owner, now=now, until=until)
        if row is not None:
            self._monitor.row_written(self._process, before[0], row, None)
            HELD.set((key.rpartition("/")[-1], row.fence))
        return row

    async def delete(self, key: str, *, expected: At) -> None:
        before: list[Row | None] = []
        watched = _Watched(self._server, before)
        await watched.delete(key, expected=expected)
        if before[0] is not None:
            self._monitor.row_removed(before[0])


class _Watched(MemoryTable):
    """Remembers the record as it was at the very moment of the change."""

    def __init__(self, server: MemoryServer, before: list[Row | None]) -> None:
        super().__init__(server)
        self._before = before

    async def delete(self, key: str, *, expected: At) -> None:
        await self._server.answer()
        self._before.append(self._believed(key, expected))
        del self._server.rows[key]

    def _store(self, row: Row) -> Row:
        self._before.append(self._server.rows.get(row.key))
        return super()._store(row)


class SimulatedObjects(MemoryObjects):
    """One process's handle on the objects."""

    def __init__(self, servers: Servers, process: Process) -> None:
        super().__init__(servers.memory, clock=servers.clock)
        self._process, self._monitor = process, servers.monitor

    async def put(self, key: str, data: bytes) -> None:
        try:
            await super().put(key, data)
        except AlreadyExists:
            self._monitor.put_twice(self._process, key, data)
            raise

    async def delete(self, keys: Sequence[str]) -> None:
        await super().delete(keys)
        for key in keys:
            self._monitor.removed(self._process, key)


class SimulatedQueue(MemoryQueue):
    """One process's handle on the queue; whoever waits is woken instead of looking again and again."""

    def __init__(self, servers: Servers, process: Process) -> None:
        super().__init__(servers.memory, clock=servers.clock, dedupe_window=servers.dedupe_window)
        self._servers, self._process = servers, process

    async def send(self, message: Message) -> bool:
        is_new = await super().send(message)
        self._servers.wake()
        return is_new

    async def receive(self, *, visibility: float, wait: float) -> Delivery | None:
        end = self._clock.now() + wait
        while True:
            await self._server.answer()
            delivery = self._take(visibility)
            if delivery is not None:
                MESSAGE.set(delivery.message.body)
            if delivery is not None or self._clock.now() >= end:
                return delivery
            await self._changed(end)

    async def ack(self, delivery: Delivery) -> None:
        await super().ack(delivery)
        inbound = decode_inbound(delivery.message.body)
        self._servers.monitor.acknowledged(self._process, str(inbound.key), inbound.message_id)
        self._servers.wake()

    async def give_back(self, delivery: Delivery, *, delay: float, reason: str, count: bool = True) -> None:
        await super().give_back(delivery, delay=delay, reason=reason, count=count)
        self._servers.monitor.given_back(self._process, reason, is_counted=count)
        if "has passed to another worker" in reason:
            self._servers.monitor.given_up_for_lost(self._process, reason)
        self._servers.wake()

    async def _changed(self, end: float) -> None:
        """Until somebody changes the queue, or a message becomes visible by itself."""
        loop, now = asyncio.get_running_loop(), self._clock.now()
        times = [entry.visible_at for entry in self._server.waiting if entry.visible_at > now]
        waiter = loop.create_future()
        self._servers.waiters.append(waiter)
        timer = loop.call_later(max(min([end, *times]) - now, 0.001), _wake, waiter)
        try:
            await waiter
        finally:
            timer.cancel()

    def _first_deliverable(self, now: float) -> Waiting | None:
        """A loose queue keeps no order, and delivers now and then what another worker has already."""
        random, waiting = self._servers.random, self._server.waiting
        if not self._servers.loose_queue or not waiting:
            return super()._first_deliverable(now)
        if random.random() < 0.1:
            return random.choice(waiting)
        free = [entry for entry in waiting if entry.visible_at <= now]
        return random.choice(free) if free else None


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class LyingCache:
    """A hot cache that forgets, keeps what was deleted, and gives one key's bytes for another's."""

    def __init__(self, servers: Servers) -> None:
        self._entries, self._random = servers.cache, servers.random

    async def get(self, key: str) -> bytes | None:
        await asyncio.sleep(0)
        chance = self._random.random()
        if chance < 0.15 and self._entries:
            return self._random.choice(list(self._entries.values()))
        return None if chance < 0.25 else self._entries.get(key)

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:  # noqa: ARG002 - the protocol's argument
        await asyncio.sleep(0)
        if self._random.random() < 0.9:
            self._entries[key] = value

    async def delete(self, keys: Sequence[str]) -> None:
        await asyncio.sleep(0)
        for key in keys:
            if self._random.random() < 0.5:
                self._entries.pop(key, None)

    async def ping(self) -> None:
        """It is always there."""

    async def close(self) -> None:
        """Nothing was opened."""
