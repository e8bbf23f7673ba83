"""Replies to Telegram: chunk by chunk, each sent once where that can be known; files both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import PurePosixPath

from outlive.channels.receipts import Receipts
from outlive.channels.telegram.client import BotClient, address
from outlive.channels.telegram.content import MAX_DOWNLOAD
from outlive.channels.telegram.faults import CannotParse
from outlive.channels.telegram.live import LiveBoard
from outlive.channels.telegram.markdown import Formatted, formatted
from outlive.channels.telegram.rules import Place, place_of
from outlive.channels.telegram.split import split
from outlive.core.keys import SessionKey, parse_session_key
from outlive.errors import TooLarge
from outlive.protocols import Approval, Clock, FileRef, Reply, Table

SILENCE = "(The agent gave no text.)"
MAX_UPLOAD = 50 * 1024 * 1024
CAPTION_LENGTH = 1024
NOTICE_SECONDS = 60.0
"""At most one error message to a chat in that time."""


def choices(question: Approval) -> dict[str, object]:
    """The buttons below a question; each carries the answer in words, of 64 bytes at most."""
    row = [
        {"text": label, "callback_data": f"/{choice} {question.id}"}
        for choice, label in (("once", "Allow once"), ("always", "Always"), ("deny", "Deny"))
    ]
    return {"inline_keyboard": [row]}


class TelegramChannel:
    """Implements `protocols.Channel` for one bot."""

    def __init__(self, bot: BotClient, table: Table, clock: Clock) -> None:
        """`table` keeps what has arrived of replies that need several messages."""
        self.bot, self.live = bot, LiveBoard(bot, clock)
        self._receipts, self._clock = Receipts(table, clock), clock
        self._noticed: dict[int, float] = {}
        self._locks: dict[int, asyncio.Lock] = {}

    async def close(self) -> None:
        """Stop showing turns and close the connections."""
        await self.live.close()
        await self.bot.close()

    async def deliver(self, reply: Reply) -> None:
        """Send what has not arrived yet. A message without an answer from Telegram may come twice, no other."""
        key = parse_session_key(reply.session_key)
        await self.live.hush(key)
        chunks = [chunk for chunk in split(formatted(reply.text)) if chunk.text.strip()] or [Formatted(SILENCE)]
        arrived = await self._receipts.count(reply) if len(chunks) > 1 else 0
        async with self._locks.setdefault(place_of(key).chat_id, asyncio.Lock()):
            for number, chunk in enumerate(chunks[arrived:], start=arrived + 1):
                buttons = choices(reply.question) if reply.question and number == len(chunks) else None
                await self._send(place_of(key), chunk, reply_markup=buttons)
                if len(chunks) > 1:
                    await self._receipts.note(reply, number)
        self._receipts.forget(reply)
        await self.live.end(key)

    async def _send(self, place: Place, chunk: Formatted, **more: object) -> Mapping[str, object]:
        """One message; as plain text when Telegram cannot read the formatting."""
        entities = [entity.json() for entity in chunk.entities] or None
        message = {**address(place), "text": chunk.text, "link_preview_options": {"is_disabled": True}, **more}
        try:
            return dict(await self.bot.call("sendMessage", {**message, "entities": entities}))
        except CannotParse:
            if entities is None:
                raise
            return dict(await self.bot.call("sendMessage", message))

    async def say(self, place: Place, markdown: str, **more: object) -> None:
        """A message of the bot's own, such as a command's answer; `more` are parameters of `sendMessage`."""
        for chunk in split(formatted(markdown)):
            await self._send(place, chunk, **more)

    async def notify(self, key: SessionKey, text: str) -> bool:
        """Say that something went wrong, at most once a minute in each chat; False when it was not said."""
        place, now = place_of(key), self._clock.now()
        if now - self._noticed.get(place.chat_id, -NOTICE_SECONDS) < NOTICE_SECONDS:
            return False
        self._noticed[place.chat_id] = now
        await self._send(place, Formatted(text))
        return True

    async def send_file(self, key: SessionKey, name: str, data: bytes, caption: str = "") -> None:
        """A file out; `TooLarge` over what bots may send (https://core.telegram.org/bots/api#senddocument)."""
        if len(data) > MAX_UPLOAD:
            raise TooLarge(f"{name} is {len(data):,} bytes long.", fix=f"Telegram takes {MAX_UPLOAD:,} bytes at most.")
        parameters = {**address(place_of(key)), "caption": caption[:CAPTION_LENGTH] or None}
        await self.bot.call("sendDocument", parameters, files={"document": (PurePosixPath(name).name, data)})

    async def fetch(self, file: FileRef) -> bytes:
        """See `protocols.Channel.fetch`: through a fresh link, 20 MB at most."""
        return await self.bot.download(file.ref, MAX_DOWNLOAD)
