"""A turn that outlasts its invocation: when it is to be handed over, and what is said of it then."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from outlive.errors import Invalid
from outlive.flows.engine import Policy
from outlive.flows.trace import Trace
from outlive.protocols import Clock

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The time was up: the turn is stored as far as it got, its lease is free, and any worker finishes it.

    Nothing is committed. The message has to be delivered once more; that delivery continues the turn by itself.
    """

    session_id: str
    steps: int
    """Tool calls that were finished under this lease; with none, the next worker gets no further either."""
    trace: Trace


class Deadline:
    """When a worker has to stop running turns."""

    def __init__(self, clock: Clock, at: float | None) -> None:
        """`at` in epoch seconds; None for never."""
        self._clock, self._at = clock, at

    def passed(self) -> asyncio.Future[None]:
        """Done when it has come; for the caller to cancel."""
        if self._at is None:
            return asyncio.get_running_loop().create_future()  # never
        return asyncio.ensure_future(self._pass(self._at))

    async def _pass(self, at: float) -> None:
        if (left := at - self._clock.now()) > 0:
            await self._clock.sleep(left)

    async def cut(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What `work` returns, or None when the deadline came first: it is cancelled then, and has ended."""
        if self._at is None:
            return await work
        if self._at <= self._clock.now():  # work that never waits would outrun it
            work.close()
            return None
        working, passing = asyncio.ensure_future(work), self.passed()
        both: tuple[asyncio.Future[Any], ...] = (working, passing)
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            for task in both:
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):  # its result or error has been taken above
                    await task


def handover_at(policy: Policy, ends_at: float, now: float) -> float:
    """When turns are handed over in an invocation that ends then; `Invalid` when it leaves no time to work at all."""
    at = ends_at - policy.handover_reserve_seconds
    if at <= now:
        raise Invalid(
            f"an invocation of {ends_at - now:g} s is over before a turn can start: "
            f"{policy.handover_reserve_seconds:g} s of it are kept for the hand-over.",
            fix="Allow more time, or lower OUTLIVE_HANDOVER_RESERVE_SECONDS.",
        )
    return at
