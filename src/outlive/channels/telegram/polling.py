"""Long polling: updates one batch after the other, confirmed only when they were handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outlive.channels.stepping import pause_after, run_steps
from outlive.channels.telegram.client import BotClient
from outlive.channels.telegram.gather import settling_seconds
from outlive.channels.telegram.parse import ALLOWED_UPDATES
from outlive.errors import Conflict, RateLimited, Unavailable
from outlive.protocols import Clock

Updates = Sequence[Mapping[str, Any]]

POLL_SECONDS = 50
MAX_SETTLINGS = 8
CONFLICTS = 3
"""Times in a row that another poller is waited for: it may be the one this process replaces."""


@dataclass
class Poller:
    """Reads one bot's updates. Telegram keeps what is not confirmed, so a crash loses nothing."""

    bot: BotClient
    clock: Clock
    take: Callable[[Updates], Awaitable[None]]
    """Hands a batch over; `Unavailable` when it could not, and the same updates come again."""
    remember: Callable[[int], Awaitable[None]]
    """Keeps the number of the last update that was handed over."""
    tell: Callable[[str], None]
    """One line for whoever watches."""
    last: int | None = None
    seconds: int = POLL_SECONDS
    _failures: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Read until told to stop. `Refused` for a wrong token, `Conflict` while another process or webhook reads."""
        await run_steps(self.step, stop)

    async def step(self) -> None:
        """One batch; a failure that may pass is waited for."""
        try:
            await self._batch()
        except Unavailable as error:
            await self._pause(error.message, error.retry_after if isinstance(error, RateLimited) else 0.0)
        except Conflict as error:
            if self._failures >= CONFLICTS:
                raise
            await self._pause(error.message, 0.0)
        else:
            self._failures = 0

    async def _batch(self) -> None:
        updates = await self._settled(await self._get(self.seconds))
        if not updates:
            return
        await self.take(updates)
        last = updates[-1]["update_id"]
        await self.remember(last)
        self.last = last

    async def _settled(self, updates: Updates) -> Updates:
        """The batch with what belongs to it and is still on its way: nothing is confirmed yet, so it is read again."""
        for _ in range(MAX_SETTLINGS):
            if not (seconds := settling_seconds(updates)):
                break
            await self.clock.sleep(seconds)
            again = await self._get(0)
            if len(again) <= len(updates):
                break
            updates = again
        return updates

    async def _get(self, seconds: int) -> Updates:
        asked = {
            "offset": None if self.last is None else self.last + 1,
            "timeout": seconds,
            "allowed_updates": list(ALLOWED_UPDATES),
        }
        found: Updates = await self.bot.call("getUpdates", asked, timeout=seconds + 15.0, patience=0.0)
        return found

    async def _pause(self, reason: str, at_least: float) -> None:
        if self._failures == 0:
            self.tell(f"{reason} Trying again.")
        seconds = pause_after(self._failures, at_least)
        self._failures += 1
        await self.clock.sleep(seconds)
