"""Looking for processes from outside, as an operator would."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable


def naming(text: str) -> list[str]:
    """The processes whose command line holds `text`, zombies left out."""
    words = ["ps", "-axwwo", "pid=,stat=,args="]
    rows = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    return [row for row in rows if text in row and not row.split()[1].startswith("Z")]


def count_naming(text: str) -> int:
    """How many there are."""
    return len(naming(text))


def gone(text: str, *, seconds: float) -> bool:
    """Whether there are none within `seconds`."""
    deadline = time.monotonic() + seconds
    while naming(text):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


async def until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Returns once `condition` holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)
