"""One worker loop: which turn it runs, shown in its chat to the people who wait for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, cast, runtime_checkable

from outlive.core.keys import SessionKey
from outlive.core.messages import Inbound, decode_inbound
from outlive.errors import LeaseLost, OutliveError
from outlive.flows.engine import Engine
from outlive.flows.run_turn import Turn
from outlive.flows.turn.hand_over import HandedOver
from outlive.flows.turn.hold_lease import Busy
from outlive.flows.work_queue import Outcome
from outlive.protocols import AgentEvent, Channel, Delivery
from outlive.testing.wrappers import wrap

T = TypeVar("T")

FAILED = "Something went wrong on my side. I try again by myself; send it anew if no answer comes."
"""Without the reason: it may name paths and hosts, and belongs to whoever runs outlive."""


class LiveTurns(Protocol):
    """The turns that a channel shows while they run."""

    def begin(self, key: SessionKey, sender: str = "") -> object:
        """A turn begins."""

    def run(self, key: SessionKey) -> None:
        """Show it by itself until it ends."""

    def hear(self, key: SessionKey, event: AgentEvent) -> None:
        """Something happens in it."""

    async def end(self, key: SessionKey) -> None:
        """It is over, whatever became of it."""


@runtime_checkable
class ShowsTurns(Protocol):
    """A channel that pushes what happens to its people."""

    @property
    def live(self) -> LiveTurns:
        """Its turns."""

    async def notify(self, key: SessionKey, text: str) -> object:
        """Say something beside the replies, the same at most once a minute; `Unavailable` when it was not taken."""


def showing(channels: Mapping[str, Channel], key: SessionKey) -> ShowsTurns | None:
    """The channel of a session, if it shows turns."""
    channel: object = channels.get(key.channel)
    return channel if isinstance(channel, ShowsTurns) else None


@dataclass
class TurnWatch:
    """Stands around the queue of one worker loop."""

    channels: Mapping[str, Channel]
    tell: Callable[[str], None]
    """One line for whoever runs the worker."""
    key: SessionKey | None = None
    """Of the turn that runs, if its channel shows it."""

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
            inbound = decode_inbound(delivery.message.body)
        except OutliveError:
            return  # the worker says what is wrong with it
        if channel := showing(self.channels, inbound.key):
            self.key = inbound.key
            channel.live.begin(inbound.key, inbound.sender)
            channel.live.run(inbound.key)

    async def _end(self) -> None:
        key, self.key = self.key, None
        if key is not None and (channel := showing(self.channels, key)):
            await channel.live.end(key)

    async def on_event(self, event: AgentEvent) -> None:
        """What the agent does, as it does it."""
        if self.key is not None and (channel := showing(self.channels, self.key)):
            channel.live.hear(self.key, event)

    async def on_outcome(self, inbound: Inbound, outcome: Outcome) -> None:
        """One line per turn; a failure is said to the people, too."""
        match outcome:
            case Turn():
                self.tell(f"{inbound.key}  turn {outcome.line.turn}")
            case Busy() | LeaseLost() | HandedOver():
                return
            case OutliveError():
                self.tell(f"{inbound.key}  failed: {outcome}")
                await self.say_failed(inbound.key)

    async def say_failed(self, key: SessionKey) -> None:
        """Tell the chat that its turn went wrong, where it is one of ours."""
        if channel := showing(self.channels, key):
            try:
                await channel.notify(key, FAILED)
            except OutliveError as error:
                self.tell(f"{key}  could not be told: {error.message}")
