"""A reader of one vendor that goes on step by step until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

PAUSES = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds before the next try after so many failures in a row; the last one for all that follow."""


def pause_after(failures: int, asked: float = 0.0) -> float:
    """How long to wait after this many earlier failures in a row; `asked` is the least, in seconds."""
    return max(asked, PAUSES[min(failures, len(PAUSES) - 1)])


async def run_steps(step: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Run step after step until `stop` is set, which breaks the one that runs off. A step's error is raised."""
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            running = asyncio.ensure_future(step())
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                running.cancel()
                await asyncio.wait({running})
            if not running.cancelled():
                running.result()
    finally:
        stopping.cancel()
