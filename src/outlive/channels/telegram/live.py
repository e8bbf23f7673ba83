"""What people see while a turn runs: typing, drafts in private chats, one edited message in groups.

Only a picture of the turn: nothing here can fail it, and the reply itself is always a message of its own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from outlive.channels.shown_turns import ShownTurn, ShownTurns
from outlive.channels.telegram.client import BotClient, address
from outlive.channels.telegram.faults import NotModified
from outlive.channels.telegram.markdown import Formatted, formatted
from outlive.channels.telegram.rules import Place, place_of
from outlive.channels.telegram.split import split
from outlive.core.keys import SessionKey
from outlive.errors import OutliveError, RateLimited
from outlive.protocols import Clock

TYPING_SECONDS = 4.0
"""Telegram shows "typing" for 5 s at most."""
DRAFT_SECONDS = 1.0
DRAFT_LIFE = 24.0
"""A draft vanishes after 30 s unless it is sent again."""
EDIT_SECONDS = 3.0
"""Groups take 20 messages and edits a minute."""
STOP_BUTTON = {"inline_keyboard": [[{"text": "Stop", "callback_data": "stop"}]]}

_log = logging.getLogger(__name__)


@dataclass
class LiveTurn(ShownTurn):
    """One running turn as it is shown."""

    place: Place
    draft_id: int
    shown: str | None = None
    shown_at: float = 0.0
    typed_at: float = 0.0
    message_id: int | None = None
    """Of the message that is edited, in a group."""

    def picture(self) -> str:
        """Text and running tool."""
        return "\n\n".join(part for part in (self.text, f"⏳ {self.tool}" if self.tool else "") if part)

    def is_due(self, now: float) -> bool:
        """Whether the picture has to be sent again."""
        if self.place.is_private:
            aged = now - self.shown_at
            return self.shown is None or aged >= (DRAFT_LIFE if self.picture() == self.shown else DRAFT_SECONDS)
        return bool(self.picture()) and self.picture() != self.shown and now - self.shown_at >= EDIT_SECONDS


class LiveBoard(ShownTurns[LiveTurn]):
    """The turns that run in this process."""

    def __init__(self, bot: BotClient, clock: Clock) -> None:
        super().__init__(clock)
        self._bot = bot
        self._count = 0

    def begin(self, key: SessionKey, sender: str = "") -> LiveTurn:  # noqa: ARG002 - other channels show it to one person
        """A turn begins: from now on it is shown."""
        self._count += 1
        turn = self._turns[key] = LiveTurn(place_of(key), self._count)
        return turn

    async def end(self, key: SessionKey) -> None:
        """The turn is over: the edited message goes, the reply stands for it."""
        await self.hush(key)
        turn = self._turns.pop(key, None)
        if turn is not None and turn.message_id is not None:
            await self._attempt(turn, "deleteMessage", {"chat_id": turn.place.chat_id, "message_id": turn.message_id})

    async def send_due(self, turn: LiveTurn, now: float) -> None:
        """Typing every four seconds, and the picture where it has changed or would vanish."""
        if now - turn.typed_at >= TYPING_SECONDS:
            turn.typed_at = now
            await self._attempt(turn, "sendChatAction", {**address(turn.place, action=True), "action": "typing"})
        if turn.is_due(now):
            turn.shown, turn.shown_at = turn.picture(), now
            await self._show(turn, turn.shown)

    async def _show(self, turn: LiveTurn, picture: str) -> None:
        newest = (split(formatted(picture)) or [Formatted("")])[-1]
        said = {"text": newest.text, "entities": [entity.json() for entity in newest.entities] or None}
        if turn.place.is_private:
            more = {"draft_id": turn.draft_id, "can_stop": True}
            await self._attempt(turn, "sendMessageDraft", {**address(turn.place), **said, **more})
        elif turn.message_id is None:
            silently = {"disable_notification": True, "reply_markup": STOP_BUTTON}
            sent = await self._attempt(turn, "sendMessage", {**address(turn.place), **said, **silently})
            turn.message_id = sent["message_id"] if sent else None
        else:
            which = {"chat_id": turn.place.chat_id, "message_id": turn.message_id, "reply_markup": STOP_BUTTON}
            await self._attempt(turn, "editMessageText", {**which, **said})

    async def _attempt(self, turn: LiveTurn, method: str, parameters: dict[str, object]) -> dict[str, int] | None:
        """One try: a picture that cannot be sent is left out, and after three faults the turn is shown no more."""
        try:
            result = await self._bot.call(method, parameters, patience=0.0)
        except NotModified:
            return None
        except RateLimited as error:
            turn.silent_until = self.clock.now() + error.retry_after
        except OutliveError as error:
            turn.faults += 1
            _log.warning("live text of a turn was not shown: %s", error.message)
        else:
            return result if isinstance(result, dict) else None
        return None
