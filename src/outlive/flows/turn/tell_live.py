"""Live text told to other processes as it comes: an extra of the record in the table, never a replacement."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from outlive.core.live import LiveState, encode_live, live_topic
from outlive.errors import OutliveError
from outlive.protocols import Broadcast, Clock

PACE = 0.1
"""Seconds between two states at least: a person sees no more."""
PAUSE = 5.0
"""Seconds for which a broadcast that failed is left alone: readers have the record meanwhile."""


class LiveTeller:
    """Tells one turn's states, the latest at each time. What goes wrong costs nobody anything but the pace."""

    def __init__(self, broadcast: Broadcast, tenant: str, clock: Clock, state: Callable[[], LiveState]) -> None:
        """Begins at once; `state` is asked for the latest."""
        self._broadcast, self._tenant, self._clock, self._state = broadcast, tenant, clock, state
        self._told = -1
        self._telling = asyncio.create_task(self._tell())

    async def end(self) -> None:
        """Tell the last state, whatever the pace, and stop."""
        self._telling.cancel()
        with suppress(asyncio.CancelledError):
            await self._telling
        await self._tell_once()

    async def _tell(self) -> None:
        while True:
            await self._clock.sleep(PACE if await self._tell_once() else PAUSE)

    async def _tell_once(self) -> bool:
        state = self._state()
        if state.revision == self._told:
            return True
        try:
            await self._broadcast.publish(live_topic(self._tenant, state.session_key), encode_live(state))
        except OutliveError:  # the record in the table is what counts
            return False
        self._told = state.revision
        return True
