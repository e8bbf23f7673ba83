"""Several loops of one process: they end together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence


async def together(stop: asyncio.Event, loops: Sequence[Coroutine[None, None, None]]) -> None:
    """Run them until all end; the first that fails stops the others in order, and its error is raised."""
    tasks = [asyncio.ensure_future(loop) for loop in loops]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        stop.set()
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
    for task in tasks:
        task.result()
