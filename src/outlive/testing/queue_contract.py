"""What a queue's contract tests are written with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import ClassVar

import pytest
import pytest_asyncio

from outlive.errors import Conflict
from outlive.protocols import Clock, Delivery, Message, Queue
from outlive.testing.clock import ManualClock
from outlive.testing.contract import Contract


def message(group: str, name: str, body: bytes | None = None) -> Message:
    """A message whose body is its name unless another is given."""
    return Message(group, name, name.encode() if body is None else body)


async def send(queue: Queue, *names: str) -> None:
    """Send messages named `group/name`, one after the other."""
    for name in names:
        group, _, own = name.partition("/")
        assert await queue.send(message(group, own))


async def receive(queue: Queue, *, visibility: float = 30.0) -> Delivery:
    """The next message; there must be one."""
    delivery = await queue.receive(visibility=visibility, wait=0)
    assert delivery is not None, "nothing to receive"
    return delivery


async def nothing(queue: Queue) -> bool:
    """Whether there is nothing to receive now."""
    return await queue.receive(visibility=30, wait=0) is None


def name(delivery: Delivery) -> str:
    """`group/name` of what was delivered."""
    return f"{delivery.message.group}/{delivery.message.dedupe_id}"


async def drain(queue: Queue) -> list[str]:
    """Receive and acknowledge until nothing is left; the names in the order delivered."""
    names: list[str] = []
    while delivery := await queue.receive(visibility=30, wait=0):
        names.append(name(delivery))
        await queue.ack(delivery)
    return names


async def kill(queue: Queue, times: int, reason: str = "boom") -> None:
    """Give the next message back as failed until it is dead."""
    for _ in range(times):
        await queue.give_back(await receive(queue), delay=0, reason=reason)
    assert await nothing(queue)


async def is_refused(queue: Queue, delivery: Delivery) -> None:
    """Neither ack, extend nor give back is possible with this receipt any more."""
    with pytest.raises(Conflict):
        await queue.ack(delivery)
    with pytest.raises(Conflict):
        await queue.extend(delivery, 99)
    with pytest.raises(Conflict):
        await queue.give_back(delivery, delay=0, reason="")


LOST = Delivery("1", "none", Message("g", "1", b""), 1, 0.0)

CALLS: Mapping[str, Callable[[Queue], Awaitable[object]]] = {
    "send": lambda queue: queue.send(message("g", "1")),
    "receive": lambda queue: queue.receive(visibility=30, wait=60),
    "extend": lambda queue: queue.extend(LOST, 30),
    "ack": lambda queue: queue.ack(LOST),
    "give_back": lambda queue: queue.give_back(LOST, delay=0, reason=""),
    "dead_letters": lambda queue: queue.dead_letters(),
    "redrive": lambda queue: queue.redrive("1"),
    "purge": lambda queue: queue.purge("1"),
    "waiting": lambda queue: queue.waiting("g"),
    "depth": lambda queue: queue.depth(),
    "ping": lambda queue: queue.ping(),
}
"""One call of each method."""


class QueueContract(Contract, ABC):
    """What a queue's test class supplies, and the clock and the two handles every test gets."""

    max_receives: ClassVar[int] = 3
    """What the queues that `connect` opens are set to."""
    dedupe_window: ClassVar[float] = 86_400.0
    """What the queues that `connect` opens are set to, in seconds."""

    @abstractmethod
    async def connect(self, place: Path, clock: Clock) -> Queue:
        """A new handle on the messages kept at `place`, a folder that is this test's own and empty at first."""

    @abstractmethod
    async def sever(self, queue: Queue) -> None:
        """Break what is behind this handle, so that each of its calls fails as it would in an outage."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The clock of all handles."""
        return ManualClock()

    @pytest_asyncio.fixture
    async def queue(self, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Queue]:
        """The handle under test."""
        queue = await self.connect(tmp_path, clock)
        yield queue
        await queue.close()

    @pytest_asyncio.fixture
    async def other(self, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Queue]:
        """A second handle on the same messages: the back door, or another worker."""
        other = await self.connect(tmp_path, clock)
        yield other
        await other.close()
