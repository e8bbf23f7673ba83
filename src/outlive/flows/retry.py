"""Trying again when a backend is unavailable, and finding out what an unanswered write did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from outlive.errors import AlreadyExists, Unavailable
from outlive.protocols import Clock, Objects

T = TypeVar("T")

PAUSES = (0.1, 0.4, 1.6)
"""Seconds between attempts; four attempts in all."""


async def retrying(call: Callable[[], Awaitable[T]], clock: Clock) -> T:
    """`call()` again after each `Unavailable`, in order, up to the last pause; for reads and repeatable writes only."""
    for pause in PAUSES:
        try:
            return await call()
        except Unavailable:
            await clock.sleep(pause)
    return await call()


async def put_once(objects: Objects, key: str, data: bytes, clock: Clock) -> None:
    """Create an object whose name only this lease can have made.

    A lost reply is settled by reading back: the same bytes there mean that it landed. Others raise `AlreadyExists`.
    """

    async def put() -> None:
        try:
            await objects.put(key, data)
        except AlreadyExists:
            if await objects.get(key) != data:
                raise

    await retrying(put, clock)
