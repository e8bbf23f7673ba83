"""Clocks that tests move."""

from __future__ import annotations

import asyncio

from outlive.testing.clock import START, ManualClock, SkewedClock


async def test_time_passes_only_when_it_is_told_to() -> None:
    """The clock stands still, moves by what is slept or advanced, and never goes back."""
    clock = ManualClock()
    assert clock.now() == clock.now() == START
    await clock.sleep(5)
    clock.advance(2.5)
    await clock.sleep(-100)
    assert clock.now() == START + 7.5


async def test_a_sleeper_lets_others_run() -> None:
    """Sleeping gives the other tasks their turn, so that a loop which only sleeps hangs nothing."""
    clock, ran = ManualClock(), asyncio.Event()
    task = asyncio.create_task(_set(ran))
    while not ran.is_set():
        await clock.sleep(1)
    await task
    assert clock.now() > START


async def _set(event: asyncio.Event) -> None:
    event.set()


async def test_a_skewed_clock_differs_by_its_skew() -> None:
    """A skewed clock is off by the same amount whoever of the two sleeps."""
    clock = ManualClock()
    ahead, behind = SkewedClock(clock, ahead=3600), SkewedClock(clock, ahead=-60)
    await ahead.sleep(10)
    await clock.sleep(1)
    assert (ahead.now(), clock.now(), behind.now()) == (START + 3611, START + 11, START - 49)
