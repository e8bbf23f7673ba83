"""Replies to Slack: chunk by chunk, each sent once where that can be known; files both ways."""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath

from outlive.channels.receipts import Receipts
from outlive.channels.slack.blocks import Message, choices, harmless, markdown, plain, typed
from outlive.channels.slack.client import SlackClient
from outlive.channels.slack.content import MAX_DOWNLOAD
from outlive.channels.slack.faults import CannotShow, MessageTooLong
from outlive.channels.slack.live import LiveBoard, Style
from outlive.channels.slack.rules import Place, place_of
from outlive.channels.slack.split import Chunk, split
from outlive.core.keys import SessionKey, parse_session_key
from outlive.errors import TooLarge
from outlive.protocols import Clock, FileRef, Reply, Table

SILENCE = "(The agent gave no text.)"
MAX_UPLOAD = 50 * 1024 * 1024
NOTICE_SECONDS = 60.0
"""At most one error message to a channel in that time."""
SURE_LENGTH = 3000
"""Characters of plain text that every message takes."""


class SlackChannel:
    """Implements `protocols.Channel` for one app."""

    def __init__(self, client: SlackClient, table: Table, clock: Clock, *, style: Style = "stream") -> None:
        """`table` keeps what has arrived of replies that need several messages; `style` is how turns are shown."""
        self.client, self.live = client, LiveBoard(client, clock, style)
        self._receipts, self._clock = Receipts(table, clock), clock
        self._noticed: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def close(self) -> None:
        """Stop showing turns and close the connections."""
        await self.live.close()
        await self.client.close()

    async def deliver(self, reply: Reply) -> None:
        """Send what has not arrived yet. A message without an answer from Slack may come twice, no other."""
        key = parse_session_key(reply.session_key)
        await self.live.hush(key)
        chunks = [chunk for chunk in split(harmless(typed(reply.text, reply.question))) if chunk.source.strip()] or [
            Chunk(SILENCE)
        ]
        buttons = choices(reply.question) if reply.question else None
        arrived = await self._receipts.count(reply) if len(chunks) > 1 else 0
        async with self._locks.setdefault(key.chat_id, asyncio.Lock()):
            for number, chunk in enumerate(chunks[arrived:], start=arrived + 1):
                last = buttons if number == len(chunks) else None
                if number > 1 or not await self.live.become(key, chunk, last):
                    await self._send(place_of(key), chunk.shown, last)
                if len(chunks) > 1:
                    await self._receipts.note(reply, number)
        self._receipts.forget(reply)
        await self.live.end(key)

    async def _send(self, place: Place, text: str, buttons: Message | None = None) -> None:
        """One message; as plain text when Slack cannot show it, in parts when it is too long even so."""
        more = (buttons,) if buttons else ()
        try:
            await self._post(place, markdown(text, *more))
        except (CannotShow, MessageTooLong):
            try:
                await self._post(place, plain(text, *more))
            except MessageTooLong:
                *parts, last = [text[at : at + SURE_LENGTH] for at in range(0, len(text), SURE_LENGTH)]
                for part in parts:
                    await self._post(place, plain(part))
                await self._post(place, plain(last, *more))

    async def _post(self, place: Place, message: Message) -> None:
        where = {"channel": place.channel, "thread_ts": place.thread or None}
        await self.client.call("chat.postMessage", {**where, "unfurl_links": False, "unfurl_media": False, **message})

    async def say(self, place: Place, text: str) -> None:
        """A message of the app's own, such as a command's answer."""
        for chunk in split(harmless(text)):
            await self._send(place, chunk.shown)

    async def notify(self, key: SessionKey, text: str) -> bool:
        """Say that something went wrong, at most once a minute in each channel; False when it was not said."""
        place, now = place_of(key), self._clock.now()
        if now - self._noticed.get(place.channel, -NOTICE_SECONDS) < NOTICE_SECONDS:
            return False
        self._noticed[place.channel] = now
        await self._post(place, plain(text))
        return True

    async def send_file(self, key: SessionKey, name: str, data: bytes, caption: str = "") -> None:
        """A file out; `TooLarge` over what this app sends."""
        if len(data) > MAX_UPLOAD:
            raise TooLarge(f"{name} is {len(data):,} bytes long.", fix=f"Send {MAX_UPLOAD:,} bytes at most.")
        place, name = place_of(key), PurePosixPath(name).name
        file_id = await self.client.upload(name, data)
        parameters = {
            "files": [{"id": file_id, "title": name}],
            "channel_id": place.channel,
            "thread_ts": place.thread or None,
            "initial_comment": caption or None,
        }
        await self.client.call("files.completeUploadExternal", parameters)

    async def fetch(self, file: FileRef) -> bytes:
        """See `protocols.Channel.fetch`: with the bot's token, 20 MB at most."""
        return await self.client.download(file.ref, MAX_DOWNLOAD)
