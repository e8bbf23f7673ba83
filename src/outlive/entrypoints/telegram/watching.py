"""One worker loop of the bot: which turn it runs, shown to the people who wait for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from outlive.channels.telegram.channel import TelegramChannel
from outlive.channels.telegram.rules import CHANNEL
from outlive.core.keys import SessionKey
from outlive.core.messages import Inbound, decode_inbound
from outlive.errors import LeaseLost, OutliveError
from outlive.flows.engine import Engine
from outlive.flows.run_turn import Turn
from outlive.flows.turn.hand_over import HandedOver
from outlive.flows.turn.hold_lease import Busy
from outlive.protocols import AgentEvent, Delivery
from outlive.testing.wrappers import wrap

T = TypeVar("T")

FAILED = "Something went wrong on my side. I try again by myself; send it anew if no answer comes."
"""Without the reason: it may name paths and hosts, and belongs to whoever runs the bot."""


@dataclass
class TurnWatch:
    """Stands around the queue of one worker loop."""

    channel: TelegramChannel
    tell: Callable[[str], None]
    key: SessionKey | None = None
    """Of the turn that runs."""

    def around(self, engine: Engine) -> Engine:
        """The same engine, seen through this watch."""
        return replace(engine, queue=wrap(engine.queue, "queue", self))

    async def __call__(self, name: str, _arguments: tuple[object, ...], call: Callable[[], Awaitable[T]], /) -> T:
        """See `testing.wrappers.Around`."""
        if name in {"queue.ack", "queue.give_back"}:
            await self._end()
        result = await call()
        if name == "queue.receive" and result is not None:
            self._begin(cast("Delivery", result))
        return result

    def _begin(self, delivery: Delivery) -> None:
        try:
            key = decode_inbound(delivery.message.body).key
        except OutliveError:
            return  # the worker says what is wrong with it
        self.key = key
        if key.channel == CHANNEL:
            self.channel.live.begin(key)
            self.channel.live.run(key)

    async def _end(self) -> None:
        if self.key is not None:
            await self.channel.live.end(self.key)
        self.key = None

    async def on_event(self, event: AgentEvent) -> None:
        """What the agent does, as it does it."""
        if self.key is not None:
            self.channel.live.hear(self.key, event)

    async def on_outcome(self, inbound: Inbound, outcome: Turn | Busy | HandedOver | OutliveError) -> None:
        """One line per turn; a failure is said to the people too, once a minute."""
        match outcome:
            case Turn():
                self.tell(f"{inbound.key}  turn {outcome.line.turn}")
            case Busy() | LeaseLost() | HandedOver():
                return
            case OutliveError():
                self.tell(f"{inbound.key}  failed: {outcome}")
                await self._say_failed(inbound.key)

    async def _say_failed(self, key: SessionKey) -> None:
        if key.channel != CHANNEL:
            return
        try:
            await self.channel.notify(key, FAILED)
        except OutliveError as error:
            self.tell(f"{key}  could not be told: {error.message}")
