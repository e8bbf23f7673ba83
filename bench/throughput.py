"""`python -m bench throughput`: turns per second with an instant agent, by store and number of workers."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.contest import ENTRIES, Entry
from bench.remote import Interpreters, Remote
from bench.stores_alone import ALONE

ENGINES = {"embedded": "outlive", "postgres": "outlive-pg", "aws": "outlive-aws"}
"""Scenario -> who runs there."""
SAMPLES_PER_SECOND = 400


@dataclass(frozen=True, slots=True)
class Rate:
    """What some workers did together: each a process with a session of its own on the same stores."""

    scenario: str
    is_alone: bool
    """Not the engine, but a bare loop that asks the stores for the same."""
    workers: int
    turns: int
    seconds: float
    cpu_ms: float
    """Median per turn, of the worker alone: servers are not in it."""
    turn_ms: float
    """Median per turn by the clock."""

    @property
    def per_second(self) -> float:
        """Turns per second of all workers together."""
        return self.turns / self.seconds


async def measure_rates(
    scenarios: Sequence[str],
    workers: Sequence[int],
    turns: int,
    folder: Path,
    interpreters: Interpreters,
    say: Callable[[str], None],
) -> list[Rate]:
    """Every scenario with every number of workers; each worker runs so many turns, one after the other."""
    rates = []
    for scenario in scenarios:
        entry = _entry(scenario)
        for count in workers:
            for is_alone in (False, True):
                say(f"{scenario}{' alone' * is_alone}: {count} workers")
                place = folder / f"{scenario}-{count}-{is_alone}"
                (place / "data").mkdir(parents=True)
                rates.append(await _rate(scenario, entry, count, turns, place, interpreters, is_alone=is_alone))
                shutil.rmtree(place, ignore_errors=True)
    return rates


def _entry(scenario: str) -> Entry:
    return next(entry for entry in ENTRIES if entry.name == ENGINES[scenario])


async def _rate(
    scenario: str, entry: Entry, count: int, turns: int, folder: Path, interpreters: Interpreters, *, is_alone: bool
) -> Rate:
    more = {ALONE: "1"} if is_alone else {}
    async with AsyncExitStack() as stack:
        remotes = []
        for number in range(count):
            remote = await Remote.start(
                entry, interpreters.of(entry), folder / "data", folder, {"BENCH_SESSION": f"bench{number}", **more}
            )
            stack.push_async_callback(remote.stop)
            await remote.ask("hello")
            await remote.ask("warm", turn=1000 * number)
            remotes.append(remote)
        started = time.perf_counter()
        asked = (remote.ask("turns", first=1000 * number + 1, count=turns) for number, remote in enumerate(remotes))
        answers = await asyncio.gather(*asked)
        seconds = time.perf_counter() - started
    samples = [sample for answer in answers for sample in answer["samples"]]
    cpu = median(sample["cpu_nanoseconds"] for sample in samples) / 1e6
    clock = median(sample["nanoseconds"] for sample in samples) / 1e6
    return Rate(scenario, is_alone, count, turns * count, seconds, cpu, clock)


async def sample_stacks(scenario: str, turns: int, folder: Path, interpreters: Interpreters, sampler: Path) -> str:
    """Folded stacks of one worker while it runs turns, as py-spy counts them."""
    entry, out = _entry(scenario), folder / "stacks.txt"
    (folder / "data").mkdir()
    remote = await Remote.start(entry, interpreters.of(entry), folder / "data", folder)
    try:
        await remote.ask("hello")
        await remote.ask("warm", turn=0)
        options = ("-r", str(SAMPLES_PER_SECOND), "-f", "raw", "-o", str(out), "--pid", str(remote.pid))
        spy = await asyncio.create_subprocess_exec(
            str(sampler), "record", *options, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        await remote.ask("turns", first=1, count=turns)
    finally:
        await remote.stop()  # py-spy writes its file when what it watches has ended
    await spy.wait()
    return out.read_text()


def table(rates: Sequence[Rate]) -> str:
    """One line for each scenario and number of workers: the engine, and beside it what the stores alone could do."""
    head = (
        f"{'stores':<10} {'workers':>7} {'turns/s':>8} {'ms per turn':>12} {'cpu ms per turn':>16}"
        f" {'stores alone/s':>15} {'ms':>6} {'cpu ms':>7} {'share':>6}"
    )
    alone = {(rate.scenario, rate.workers): rate for rate in rates if rate.is_alone}
    lines = (_line(rate, alone[rate.scenario, rate.workers]) for rate in rates if not rate.is_alone)
    return "\n".join([head, *lines])


def _line(rate: Rate, alone: Rate) -> str:
    return (
        f"{rate.scenario:<10} {rate.workers:>7} {rate.per_second:>8.1f} {rate.turn_ms:>12.1f} {rate.cpu_ms:>16.1f}"
        f" {alone.per_second:>15.1f} {alone.turn_ms:>6.1f} {alone.cpu_ms:>7.1f}"
        f" {rate.per_second / alone.per_second:>6.0%}"
    )
