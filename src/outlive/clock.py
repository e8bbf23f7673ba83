"""The machine's own clock and randomness, behind the seams that tests replace."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4


class SystemClock:
    """Implements `protocols.Clock`."""

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def new_id() -> str:
    """128 random bits, hexadecimal."""
    return uuid4().hex
