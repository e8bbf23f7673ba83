"""Clocks that tests move."""

from __future__ import annotations

import asyncio

from outlive.protocols import Clock

START = 1_750_000_000.0


class ManualClock:
    """Stands still until somebody sleeps or moves it."""

    def __init__(self, now: float = START) -> None:
        """`now` in epoch seconds."""
        self._now = now

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Advance at once by as much, and let other tasks run."""
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += max(0.0, seconds)


class SkewedClock:
    """Another clock, read by a host whose own is wrong."""

    def __init__(self, clock: Clock, *, ahead: float) -> None:
        """`ahead` in seconds; negative when it is behind."""
        self._clock = clock
        self._ahead = ahead

    def now(self) -> float:
        return self._clock.now() + self._ahead

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
