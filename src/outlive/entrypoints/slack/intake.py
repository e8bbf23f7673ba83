"""From one decision to the queue, the commands, or nothing: every event is taken once, and answered in time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import assert_never

from outlive.channels.slack.decisions import Challenge, Control, Decision, Drop, Overheard, Stranger, Turn
from outlive.channels.slack.rules import CHANNEL, Place
from outlive.entrypoints.slack.controls import Controls
from outlive.entrypoints.slack.opening import Bot
from outlive.errors import Invalid, OutliveError, Unavailable
from outlive.flows.accept_message import accept_message
from outlive.flows.delivery.pair_sender import ask_pairing, find_pairing
from outlive.flows.turn.find_session import find_mapping

REMEMBERED = 1000
SLOW = frozenset({"export"})
"""Commands that take longer than Slack waits for an answer."""
PAIRING = (
    "Hello. I do not know you yet. Whoever runs me can let you in with\n\n"
    "`outlive slack pair {code}`\n\nThe code counts for an hour."
)


@dataclass
class Intake:
    """Takes decisions for one app. What is said back to people is said beside: Slack waits three seconds only."""

    bot: Bot
    controls: Controls
    tell: Callable[[str], None]
    """One line for whoever watches."""
    _done: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    """Controls and strangers that were dealt with: an event that comes again repeats nothing."""
    _saying: set[asyncio.Task[None]] = field(default_factory=set)

    async def take(self, decision: Decision) -> None:
        """Hand it over; `Unavailable` when that failed, and then it may come again."""
        match decision:
            case Turn():
                await self._ask(decision)
            case Overheard(turn):
                await self._overhear(turn)
            case Control():
                await self._control(decision)
            case Stranger():
                await self._meet(decision)
            case Drop(reason):
                self.tell(f"not taken: {reason}")
            case Challenge():
                return
            case _:
                assert_never(decision)

    async def close(self) -> None:
        """Finish what is being said."""
        while self._saying:
            await asyncio.wait(set(self._saying))

    async def _ask(self, turn: Turn) -> None:
        engine = self.bot.app.engine
        try:
            await accept_message(engine.queue, turn.inbound, engine.clock, engine.telemetry)
        except Invalid as error:
            self._beside(self._say(turn.place, f"I cannot take that: {error}"))

    async def _overhear(self, turn: Turn) -> None:
        """A thread is listened to once it is a session."""
        engine, key = self.bot.app.engine, turn.inbound.key
        if await find_mapping(engine, engine.stores(key.tenant), key) is not None:
            await self._ask(turn)

    async def _control(self, control: Control) -> None:
        if control.message_id in self._done:
            return
        if control.name in SLOW:
            self._beside(self._answer(control))
        else:
            text = await self._ran(control)
            self._beside(self._reply(control, text))
        self._done.append(control.message_id)

    async def _answer(self, control: Control) -> None:
        try:
            text = await self._ran(control)
        except Unavailable as error:
            text = f"That did not work: {error}"
        await self._reply(control, text)

    async def _ran(self, control: Control) -> str:
        try:
            return await self.controls.run(control)
        except Unavailable:
            raise
        except OutliveError as error:
            return f"That did not work: {error}"

    async def _reply(self, control: Control, text: str) -> None:
        if not text:
            return
        if not control.response_url:
            await self._say(control.place, text)
            return
        try:
            await self.bot.channel.client.respond(control.response_url, text)
        except OutliveError as error:
            self.tell(f"{control.sender} could not be told: {error.message}")

    async def _meet(self, stranger: Stranger) -> None:
        app, wants = self.bot.app, stranger.wants
        if await find_pairing(app.engine, app.stores, CHANNEL, stranger.sender) is not None:
            await self.take(wants)
            return
        if not stranger.place.is_private:
            self.tell(f"not taken: {stranger.sender} is not in the allow-list")
            return
        message_id = wants.message_id if isinstance(wants, Control) else _inbound_id(wants)
        if message_id not in self._done:
            self._done.append(message_id)
            await self._greet(stranger)

    async def _greet(self, stranger: Stranger) -> None:
        app = self.bot.app
        pairing = await ask_pairing(app.engine, app.stores, CHANNEL, stranger.sender, stranger.sender)
        if pairing is None:
            self.tell(f"not taken: {stranger.sender} asks, and too many strangers wait already")
            return
        self.tell(f"{stranger.sender} asks to be let in: outlive slack pair {pairing.code}")
        self._beside(self._say(stranger.place, PAIRING.format(code=pairing.code)))

    def _beside(self, saying: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(saying)
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    async def _say(self, place: Place, text: str) -> None:
        """An answer that cannot be sent is told here, and holds nothing up."""
        try:
            await self.bot.channel.say(place, text)
        except OutliveError as error:
            self.tell(f"channel {place.channel} could not be told: {error.message}")


def _inbound_id(wants: Turn | Overheard) -> str:
    return (wants if isinstance(wants, Turn) else wants.turn).inbound.message_id
