"""Workers on one queue, until it is empty."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from outlive.core.keys import SessionKey, session_key
from outlive.core.messages import Inbound
from outlive.flows.accept_message import accept_message
from outlive.flows.engine import Engine
from outlive.flows.work_queue import work_one
from outlive.protocols import Delivery, Reply


@dataclass
class Vendor:
    """A chat vendor's side of a channel: fails as told, and remembers what it took."""

    replies: list[Reply] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    """Raised one by one, before anything is taken."""
    down: Exception | None = None
    tries: int = 0

    async def deliver(self, reply: Reply) -> None:
        """Take it, unless something is wrong."""
        self.tries += 1
        if self.faults or self.down:
            raise self.faults.pop(0) if self.faults else self.down
        self.replies.append(reply)

    @property
    def texts(self) -> list[str]:
        """What was taken."""
        return [reply.text for reply in self.replies]


def key_of(chat: str) -> SessionKey:
    """The session key of a chat."""
    return session_key("acme", "console", chat)


async def post(engine: Engine, *texts: str, chat: str = "ada", sent_at: float | None = None) -> None:
    """Messages that come in at a channel, each with its text for an id."""
    for text in texts:
        at = engine.clock.now() if sent_at is None else sent_at
        await accept_message(engine.queue, Inbound(key_of(chat), text, text, at), engine.clock)


async def receive(engine: Engine) -> Delivery | None:
    """The next message, if one can be delivered now."""
    return await engine.queue.receive(visibility=30, wait=0)


async def work(engine: Engine) -> int:
    """Work until nothing can be delivered; how many deliveries that were."""
    count = 0
    while delivery := await receive(engine):
        await work_one(engine, delivery)
        count += 1
    return count


async def work_side_by_side(engines: Iterable[Engine]) -> None:
    """All of them at once, until the queue holds nothing more."""

    async def until_empty(engine: Engine) -> None:
        while True:
            await work(engine)
            depth = await engine.queue.depth()
            if not depth.waiting + depth.in_flight:
                return
            await asyncio.sleep(0.002)

    await asyncio.gather(*(until_empty(engine) for engine in engines))
