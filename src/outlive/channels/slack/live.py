"""What people see while a turn runs: a status line, and its text as Slack's own stream or as one edited message.

Only a picture of the turn: nothing here can fail it. A stream becomes the reply in the end; an edited message goes.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from outlive.channels.shown_turns import ShownTurn, ShownTurns
from outlive.channels.slack.blocks import Message, harmless, markdown, stop_button
from outlive.channels.slack.client import SlackClient
from outlive.channels.slack.faults import CannotShow, NotStreaming
from outlive.channels.slack.rules import Place, place_of
from outlive.channels.slack.split import LIMIT, Chunk, split
from outlive.core.keys import SessionKey
from outlive.errors import OutliveError, RateLimited
from outlive.protocols import Clock

Style = Literal["stream", "edit", "off"]

STATUS_SECONDS = 90.0
"""Slack takes a status away after two minutes."""
APPEND_SECONDS = 1.0
"""https://docs.slack.dev/apis/web-api/rate-limits: appends are tier 4, a hundred a minute."""
EDIT_SECONDS = 3.0
"""Edits are tier 3, fifty a minute."""
FIRST_SECONDS = 1.0
"""A turn that is over by then shows no edited message."""
STATUS_LENGTH = 100

_log = logging.getLogger(__name__)


@dataclass
class LiveTurn(ShownTurn):
    """One running turn as it is shown."""

    place: Place
    sender: str
    team: str
    style: Style
    began: float
    ts: str = ""
    """Of the message that shows it; empty while there is none."""
    sent: str = ""
    """What the stream holds, or the edited message shows."""
    sent_at: float = 0.0
    status: str = ""
    status_at: float = 0.0
    is_cut: bool = False
    """The stream takes no more: it has run out, is full, or says what the turn does not say any more."""

    def wanted_status(self) -> str:
        """The line below the thread."""
        return f"is using {self.tool}"[:STATUS_LENGTH] if self.tool else "is thinking…"

    def news(self) -> str:
        """What the stream does not hold yet; marks it as cut when it cannot be appended."""
        text = settled(self.text)
        if not text.startswith(self.sent) or len(text) > LIMIT:
            self.is_cut = True
        return "" if self.is_cut else text[len(self.sent) :]

    def picture(self) -> str:
        """Text and running tool, for the edited message."""
        return (
            "\n\n".join(part for part in (harmless(self.text), f"⏳ {self.tool}" if self.tool else "") if part) or "⏳"
        )


def settled(text: str) -> str:
    """The text as it can be shown for good: what may become a broadcast is held back until it is one or not."""
    at = text.rfind("<", max(0, len(text) - 12))
    return harmless(text if at < 0 or ">" in text[at:] else text[:at])


class LiveBoard(ShownTurns[LiveTurn]):
    """The turns that run in this process."""

    def __init__(self, client: SlackClient, clock: Clock, style: Style = "stream") -> None:
        super().__init__(clock)
        self.style: Style = style
        self.team = ""
        """The workspace, which Slack wants to know of a stream's reader."""
        self._client = client

    def begin(self, key: SessionKey, sender: str = "") -> LiveTurn:
        """A turn begins: from now on it is shown. Streams are replies in a thread, and in channels to somebody."""
        place, style = place_of(key), self.style
        if style == "stream" and not (place.thread and (place.is_private or (sender and self.team))):
            style = "edit"
        turn = self._turns[key] = LiveTurn(place, sender, self.team, style, self.clock.now())
        return turn

    async def become(self, key: SessionKey, chunk: Chunk, buttons: Message | None) -> bool:
        """Make the stream the reply's first message; False when there is none, or it cannot be: then it is gone."""
        turn = await self.hush(key)
        if turn is None or turn.style != "stream" or not turn.ts:
            return False
        try:
            await self._complete(turn, chunk, buttons)
        except OutliveError as error:
            _log.warning("a stream did not become the reply: %s", error.message)
            await self._remove(turn)
            return False
        turn.ts = ""
        return True

    async def _complete(self, turn: LiveTurn, chunk: Chunk, buttons: Message | None) -> None:
        which = {"channel": turn.place.channel, "ts": turn.ts}
        blocks = [buttons] if buttons else None
        if not turn.is_cut and chunk.shown.startswith(turn.sent):
            try:
                rest = chunk.shown[len(turn.sent) :] or None
                await self._client.call("chat.stopStream", {**which, "markdown_text": rest, "blocks": blocks})
            except NotStreaming:
                turn.is_cut = True
            else:
                return
        with suppress(NotStreaming):
            await self._client.call("chat.stopStream", which)
        await self._client.call("chat.update", {**which, **markdown(chunk.shown, *(blocks or ()))})

    async def end(self, key: SessionKey) -> None:
        """The turn is over: what showed it and is not the reply itself goes."""
        await self.hush(key)
        turn = self._turns.pop(key, None)
        if turn is None:
            return
        if turn.ts:
            await self._remove(turn)
        if turn.status and turn.place.thread:
            await self._set_status(turn, "")

    async def _remove(self, turn: LiveTurn) -> None:
        which = {"channel": turn.place.channel, "ts": turn.ts}
        turn.ts = ""
        with suppress(OutliveError):
            if turn.style == "stream":
                await self._client.call("chat.stopStream", which, patience=0.0)
        await self._attempt(turn, "chat.delete", dict(which))

    async def send_due(self, turn: LiveTurn, now: float) -> None:
        """The status where it has changed or would vanish, and the text by stream or by edits."""
        if turn.style == "off":
            return
        status = turn.wanted_status()
        if turn.place.thread and (status != turn.status or now - turn.status_at >= STATUS_SECONDS):
            await self._set_status(turn, status)
        if turn.style == "stream":
            await self._stream(turn, now)
        elif now - (turn.sent_at or turn.began) >= (EDIT_SECONDS if turn.ts else FIRST_SECONDS):
            await self._edit(turn, now)

    async def _set_status(self, turn: LiveTurn, status: str) -> None:
        turn.status, turn.status_at = status, self.clock.now()
        where = {"channel_id": turn.place.channel, "thread_ts": turn.place.thread}
        await self._attempt(turn, "assistant.threads.setStatus", {**where, "status": status})

    async def _stream(self, turn: LiveTurn, now: float) -> None:
        if turn.is_cut or now - turn.sent_at < APPEND_SECONDS or not (news := turn.news()):
            return
        turn.sent_at = now
        if turn.ts:
            which = {"channel": turn.place.channel, "ts": turn.ts}
            sent = await self._attempt(turn, "chat.appendStream", {**which, "markdown_text": news})
        else:
            where = {"channel": turn.place.channel, "thread_ts": turn.place.thread}
            whom = {"recipient_user_id": turn.sender or None, "recipient_team_id": turn.team or None}
            sent = await self._attempt(turn, "chat.startStream", {**where, **whom, "markdown_text": news})
            if sent is None and turn.faults:
                turn.style = "edit"  # this place takes no streams
        if sent is not None:
            turn.ts, turn.sent = sent, turn.sent + news

    async def _edit(self, turn: LiveTurn, now: float) -> None:
        picture = turn.picture()
        if picture == turn.sent:
            return
        message = markdown((split(picture) or [Chunk("⏳")])[-1].shown, stop_button())
        where = {"channel": turn.place.channel}
        if turn.ts:
            await self._attempt(turn, "chat.update", {**where, "ts": turn.ts, **message})
        else:
            thread = {"thread_ts": turn.place.thread or None}
            turn.ts = await self._attempt(turn, "chat.postMessage", {**where, **thread, **message}) or ""
        turn.sent, turn.sent_at = picture, now

    async def _attempt(self, turn: LiveTurn, method: str, parameters: dict[str, object]) -> str | None:
        """One try, the message's `ts`: a picture that cannot be sent is left out, after three faults all are."""
        try:
            return str((await self._client.call(method, parameters, patience=0.0)).get("ts") or "")
        except RateLimited as error:
            turn.silent_until = self.clock.now() + error.retry_after
        except NotStreaming:
            turn.is_cut = True
        except CannotShow:
            return None
        except OutliveError as error:
            turn.faults += 1
            _log.warning("live text of a turn was not shown: %s", error.message)
        return None
