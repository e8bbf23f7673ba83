"""Replies of an official account: on the request that still waits, or as customer-service messages."""

from __future__ import annotations

from outlive.channels.receipts import Receipts, progress_of, so_far
from outlive.channels.wechat.client import AccountClient
from outlive.channels.wechat.passive import PassiveDesk
from outlive.channels.wechat.split import split_bytes
from outlive.core.keys import parse_session_key
from outlive.errors import Unavailable
from outlive.protocols import Clock, FileRef, Reply, Table

MAX_TEXT = 2048
"""Bytes of a message's text."""


class AccountChannel:
    """Implements `protocols.Channel` for one account. It sends no files: customer service takes pictures only."""

    def __init__(self, client: AccountClient, table: Table, clock: Clock) -> None:
        """`table` keeps what has arrived of replies that need several messages."""
        self.client, self.desk = client, PassiveDesk()
        self._receipts = Receipts(table, clock)

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()

    async def deliver(self, reply: Reply) -> None:
        """Send what has not arrived yet, in parts of 2,048 bytes. A part without an answer from WeChat may come twice.

        `Refused` when the person has not written for 48 hours, follows the account no more, or the account may not.
        """
        person = parse_session_key(reply.session_key).chat_id
        chunks = [chunk for chunk in split_bytes(reply.text, MAX_TEXT) if chunk.strip()]
        receipts = await self._receipts.count(reply) if len(chunks) > 1 else 0
        arrived = max(receipts, progress_of(reply))
        for number, chunk in enumerate(chunks[arrived:], start=arrived + 1):
            try:
                if number > 1 or not await self.desk.hand_over(reply.message_id, chunk):
                    await self.client.send_text(person, chunk)
            except Unavailable as error:
                raise so_far(error, number - 1) from error
            if len(chunks) > 1:
                await self._receipts.note(reply, number)
        self._receipts.forget(reply)

    async def fetch(self, file: FileRef) -> bytes:
        """See `protocols.Channel.fetch`: WeChat keeps files for three days."""
        return await self.client.media(file.ref)
