"""One worker loop of the app: which turn it runs, shown to the people who wait for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from outlive.channels.slack.channel import SlackChannel
from outlive.channels.slack.rules import CHANNEL
from outlive.core.keys import SessionKey
from outlive.core.messages import Inbound, decode_inbound
from outlive.errors import LeaseLost, OutliveError
from outlive.flows.engine import Engine
from outlive.flows.run_turn import Turn
from outlive.flows.turn.hand_over import HandedOver
from outlive.flows.turn.hold_lease import Busy
from outlive.flows.work_queue import Outcome
from outlive.protocols import AgentEvent, Delivery
from outlive.testing.wrappers import wrap

T = TypeVar("T")

FAILED = "Something went wrong on my side. I try again by myself; send it anew if no answer comes."
"""Without the reason: it may name paths and hosts, and belongs to whoever runs the app."""


@dataclass
class TurnWatch:
    """Stands around the queue of one worker loop."""

    channel: SlackChannel
    tell: Callable[[str], None]
    key: SessionKey | None = None
    """Of the turn that runs, if it is one of Slack's."""

    def around(self, engine: Engine) -> Engine:
        """The same engine, seen through this watch."""
        return replace(engine, queue=wrap(engine.queue, "queue", self))

    async def __call__(self, name: str, _arguments: tuple[object, ...], call: Callable[[], Awaitable[T]], /) -> T:
        """See `testing.wrappers.Around`."""
        if name in {"queue.ack", "queue.give_back"} and self.key is not None:
            key, self.key = self.key, None
            await self.channel.live.end(key)
        result = await call()
        if name == "queue.receive" and result is not None:
            self._begin(cast("Delivery", result))
        return result

    def _begin(self, delivery: Delivery) -> None:
        try:
            inbound = decode_inbound(delivery.message.body)
        except OutliveError:
            return  # the worker says what is wrong with it
        if inbound.key.channel == CHANNEL:
            self.key = inbound.key
            self.channel.live.begin(inbound.key, inbound.sender)
            self.channel.live.run(inbound.key)

    async def on_event(self, event: AgentEvent) -> None:
        """What the agent does, as it does it."""
        if self.key is not None:
            self.channel.live.hear(self.key, event)

    async def on_outcome(self, inbound: Inbound, outcome: Outcome) -> None:
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
