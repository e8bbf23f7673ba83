"""Clocks of a simulated universe."""

from __future__ import annotations

import asyncio

from outlive.testing.clock import START
from outlive.testing.simulation.processes import Process


class TrueClock:
    """The servers' own."""

    def now(self) -> float:
        return START + asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))


class ProcessClock:
    """One process's own, which may be wrong."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def now(self) -> float:
        return START + asyncio.get_running_loop().time() + self._process.ahead

    async def sleep(self, seconds: float) -> None:
        self._process.check_alive()
        await asyncio.sleep(max(seconds, 0.0))
        self._process.check_alive()
