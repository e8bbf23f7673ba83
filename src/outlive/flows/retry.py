"""Trying again when a backend is unavailable, and finding out what an unanswered write did."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from outlive.errors import AlreadyExists, Unavailable
from outlive.protocols import Clock, Objects

T = TypeVar("T")

PAUSES = (0.1, 0.4, 1.6)
"""Seconds between attempts; four attempts in all."""
SLOW = 1.0
"""Seconds; a call that took as long is told in the trace."""


@dataclass(slots=True)
class Retries:
    """What had to be tried again in one block, and why the last time."""

    count: int = 0
    reason: str = ""
    longest: float = 0.0
    """Seconds that a single call took: a backend that comes back while it is waited for fails no call."""

    def __str__(self) -> str:
        """For a trace; empty when everything went well."""
        again = f"tried again {self.count} times: {self.reason}" if self.count else ""
        waited = f"waited {self.longest:.1f} s for a store" if self.longest >= SLOW else ""
        return "; ".join(part for part in (again, waited) if part)


_RETRIES: ContextVar[Retries | None] = ContextVar("retries", default=None)


@contextmanager
def counted_retries() -> Iterator[Retries]:
    """Count what the block has to try again, and no other turn's."""
    retries = Retries()
    token = _RETRIES.set(retries)
    try:
        yield retries
    finally:
        _RETRIES.reset(token)


async def retrying(call: Callable[[], Awaitable[T]], clock: Clock) -> T:
    """`call()` again after each `Unavailable`, in order, up to the last pause; for reads and repeatable writes only."""
    for pause in PAUSES:
        try:
            return await _timed(call)
        except Unavailable as error:
            if (retries := _RETRIES.get()) is not None:
                retries.count, retries.reason = retries.count + 1, error.message
            await clock.sleep(pause)
    return await _timed(call)


async def _timed(call: Callable[[], Awaitable[T]]) -> T:
    retries, began = _RETRIES.get(), time.perf_counter()
    try:
        return await call()
    finally:
        if retries is not None:
            retries.longest = max(retries.longest, time.perf_counter() - began)


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
