"""From a batch of updates to the queue, the commands, or nothing: every update is taken once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from outlive.channels.telegram.decisions import Control, Decision, Drop, Moved, Stranger, Turn
from outlive.channels.telegram.gather import gather
from outlive.channels.telegram.parse import parse_update
from outlive.channels.telegram.rules import CHANNEL, Place
from outlive.entrypoints.telegram.controls import Controls
from outlive.entrypoints.telegram.opening import Bot
from outlive.errors import Invalid, OutliveError, Unavailable
from outlive.flows.accept_message import accept_message
from outlive.flows.delivery.pair_sender import ask_pairing, find_pairing
from outlive.flows.delivery.remember_intake import first_chat, note_move

REMEMBERED = 1000
PAIRING = (
    "Hello {name}. I do not know you yet. Whoever runs me can let you in with\n\n"
    "`outlive telegram pair {code}`\n\nThe code counts for an hour."
)


@dataclass
class Intake:
    """Takes updates for one bot."""

    bot: Bot
    controls: Controls
    tell: Callable[[str], None]
    """One line for whoever watches."""
    _chats: dict[int, int] = field(default_factory=dict)
    _done: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    """Controls that took effect: a batch that comes again repeats none of them."""

    async def take(self, updates: Sequence[Mapping[str, Any]]) -> None:
        """Hand every update over; `Unavailable` when the queue does not take one, and then all may come again."""
        decisions: list[Decision] = []
        for update in updates:
            decision = await self._decision(update)
            if isinstance(decision, Moved):  # before the next update is read: it may come from the new group
                await self._move(decision)
            decisions.append(decision)
        for decision in gather(decisions):
            await self._do(decision)

    async def _decision(self, update: Mapping[str, Any]) -> Decision:
        """What becomes of the update, now that the table was asked whom it concerns."""
        await self._find_chat(update)
        rules = replace(self.bot.rules, first_chats=dict(self._chats))
        decision = parse_update(update, rules)
        if not isinstance(decision, Stranger):
            return decision
        app = self.bot.app
        paired = await find_pairing(app.engine, app.stores, CHANNEL, decision.sender)
        if paired is None and not decision.place.is_private:
            return Drop(f"{decision.name} ({decision.sender}) is not in the allow-list")
        return decision if paired is None else decision.wants

    async def _find_chat(self, update: Mapping[str, Any]) -> None:
        """Under which id the sessions of a group began."""
        message = update.get("message")
        chat = message.get("chat") if isinstance(message, Mapping) else None
        number = chat.get("id") if isinstance(chat, Mapping) else None
        if isinstance(number, int) and number < 0 and number not in self._chats:
            app = self.bot.app
            self._chats[number] = await first_chat(app.engine, app.stores, CHANNEL, number)

    async def _move(self, moved: Moved) -> None:
        app = self.bot.app
        first = await note_move(app.engine, app.stores, CHANNEL, old=moved.old_chat, new=moved.new_chat)
        self._chats[moved.new_chat] = first

    async def _do(self, decision: Decision) -> None:
        match decision:
            case Turn():
                await self._ask(decision)
            case Control():
                await self._control(decision)
            case Stranger():
                await self._greet(decision)
            case Moved(old, new):
                self.tell(f"group {old} is now {new}; its sessions go on")
            case Drop(reason):
                self.tell(f"not taken: {reason}")
            case _:
                assert_never(decision)

    async def _ask(self, turn: Turn) -> None:
        engine = self.bot.app.engine
        try:
            await accept_message(engine.queue, turn.inbound, engine.clock, engine.telemetry)
        except Invalid as error:
            await self._say(turn.place, f"I cannot take that: {error}")

    async def _control(self, control: Control) -> None:
        if control.message_id in self._done:
            return
        try:
            answer = await self.controls.run(control)
        except Unavailable:
            raise
        except OutliveError as error:
            answer = f"That did not work: {error}"
        self._done.append(control.message_id)
        if answer:
            await self._say(control.place, answer)

    async def _greet(self, stranger: Stranger) -> None:
        app = self.bot.app
        pairing = await ask_pairing(app.engine, app.stores, CHANNEL, stranger.sender, stranger.name)
        if pairing is None:
            self.tell(f"not taken: {stranger.name} ({stranger.sender}) asks, and too many strangers wait already")
            return
        who = f"{stranger.name} ({stranger.sender})"
        self.tell(f"{who} asks to be let in: outlive telegram pair {pairing.code}")
        await self._say(stranger.place, PAIRING.format(name=stranger.name, code=pairing.code))

    async def _say(self, place: Place, text: str) -> None:
        """An answer that cannot be sent is told here, and holds nothing up."""
        try:
            await self.bot.channel.say(place, text)
        except OutliveError as error:
            self.tell(f"chat {place.chat_id} could not be told: {error.message}")
