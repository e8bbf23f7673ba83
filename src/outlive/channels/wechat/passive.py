"""Requests that wait for their turn: an answer that is there in time goes out on the request itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

ANSWER_SECONDS = 4.5
"""WeChat gives up after 5 s, and sends the message again."""
CONFIRM_SECONDS = 5.0


@dataclass(slots=True)
class Offer:
    """One open request."""

    text: asyncio.Future[str]
    written: asyncio.Future[bool]
    """Whether the answer was written to the connection, once that is known."""

    async def taken(self) -> str | None:
        """The text to answer with; None when none came in time, and then none comes any more."""
        await asyncio.wait({self.text}, timeout=ANSWER_SECONDS)
        return self.text.result() if self.text.done() and not self.text.cancelled() else None

    def settle(self, *, is_written: bool) -> None:
        """Say whether the answer was written."""
        if not self.written.done():
            self.written.set_result(is_written)


@dataclass(slots=True)
class PassiveDesk:
    """The open requests of this process."""

    _offers: dict[str, Offer] = field(default_factory=dict)

    @contextmanager
    def offered(self, message_id: str) -> Iterator[Offer]:
        """Take the answer to a message while the block runs; of several requests the newest one counts."""
        loop = asyncio.get_running_loop()
        if older := self._offers.get(message_id):
            older.text.cancel()
        offer = self._offers[message_id] = Offer(loop.create_future(), loop.create_future())
        try:
            yield offer
        finally:
            if self._offers.get(message_id) is offer:
                del self._offers[message_id]
            if not offer.text.done():
                offer.text.cancel()

    async def hand_over(self, message_id: str, text: str) -> bool:
        """Have a request answered with the text; False when none waits, or its connection was gone."""
        offer = self._offers.pop(message_id, None)
        if offer is None or offer.text.done():
            return False
        offer.text.set_result(text)
        try:
            return await asyncio.wait_for(asyncio.shield(offer.written), CONFIRM_SECONDS)
        except TimeoutError:
            return False
