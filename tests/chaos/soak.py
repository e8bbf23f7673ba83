"""`python -m tests.chaos.soak`: messages at a steady rate through some workers; what must stay flat is sampled."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from outlive.core.messages import Inbound, encode_inbound
from outlive.protocols import Message
from outlive.settings import load_settings
from outlive.wiring import App, open_at_rest
from tests.chaos.families import FAMILIES
from tests.chaos.run import Chaos

BARS = "▁▂▃▄▅▆▇█"
WARM_UP = 0.25
"""Share of the run after which growth counts."""
GROWTH = 1.5
"""What the last quarter may be of the second, in memory and handles."""


@dataclass
class Samples:
    """Sums over all workers, one a second."""

    series: dict[str, list[float]] = field(default_factory=dict)

    def add(self, **values: float) -> None:
        """One second's."""
        for name, value in values.items():
            self.series.setdefault(name, []).append(value)

    def table(self) -> str:
        """First, median of the second and of the last quarter, highest, and a line of bars."""
        head = ["| sampled | first | 2nd quarter | last quarter | highest | |", "|---|---|---|---|---|---|"]
        return "\n".join(head + [self._row(name, values) for name, values in self.series.items()])

    def _row(self, name: str, values: list[float]) -> str:
        quarters = second(values), last(values)
        shown = (values[0], *quarters, max(values))
        return f"| {name} | " + " | ".join(f"{value:,.1f}" for value in shown) + f" | {sparkline(values)} |"

    def grown(self, *names: str) -> list[str]:
        """What was not flat."""
        return [name for name in names if last(self.series[name]) > GROWTH * second(self.series[name]) + 8]


def second(values: Sequence[float]) -> float:
    """The median of the second quarter."""
    return _median(values[len(values) // 4 : len(values) // 2 + 1])


def last(values: Sequence[float]) -> float:
    """The median of the last quarter."""
    return _median(values[3 * len(values) // 4 :])


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """The series as a line of bars, from nothing to its highest."""
    step, top = max(1, len(values) // width), max(values) or 1
    return "".join(BARS[min(7, int(8 * max(values[n : n + step]) / top))] for n in range(0, len(values), step))


def process(pid: int) -> tuple[float, int, int]:
    """Resident memory in MiB, open files and threads."""
    folder = Path(f"/proc/{pid}")
    status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line)
    return int(status["VmRSS"].split()[0]) / 1024, len(list((folder / "fd").iterdir())), int(status["Threads"])


async def soak(base: Path, given: argparse.Namespace) -> tuple[Samples, Chaos]:
    """Feed and sample until the time is up, then let the workers finish."""
    family = FAMILIES[given.family](base)
    chaos, samples = Chaos(family, base, random.Random(1), 0.0), Samples()
    os.environ.update(family.settings)
    chaos.start()
    try:
        async with open_at_rest(load_settings()) as app:
            for _ in range(given.workers):
                chaos.worker()
            feeding = asyncio.create_task(_feed(app, chaos, given))
            while not feeding.done():
                await asyncio.sleep(1.0)
                _sample(chaos, base, samples)
            await feeding
            deadline = time.monotonic() + 120
            while chaos.tally.sent.keys() - chaos.tally.done and time.monotonic() < deadline:  # noqa: ASYNC110 - a thread
                await asyncio.sleep(0.5)
    finally:
        await asyncio.to_thread(chaos.close)
        family.close()
    return samples, chaos


async def _feed(app: App, chaos: Chaos, given: argparse.Namespace) -> None:
    began, number = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < given.minutes * 60:
        while number < elapsed * given.rate:
            number += 1
            key = app.key(f"s{number % given.sessions}")
            inbound = Inbound(key, f"m-{number}", f"do m-{number}", app.engine.clock.now())
            chaos.tally.sent[inbound.message_id] = str(key)
            await app.engine.queue.send(Message(str(key), inbound.message_id, encode_inbound(inbound)))
        await asyncio.sleep(0.02)


def _sample(chaos: Chaos, base: Path, samples: Samples) -> None:
    memory, files, threads = 0.0, 0, 0
    for pid in chaos.alive:
        with suppress(OSError):
            one = process(pid)
            memory, files, threads = memory + one[0], files + one[1], threads + one[2]
    loose = [path for path in base.iterdir() if not path.name.startswith(("host-", "data", "stderr"))]
    waiting = len(chaos.tally.sent) - len(chaos.tally.done)
    samples.add(**{"memory, MiB": memory, "open files": files, "threads": threads})
    samples.add(**{"temporary files": len(loose), "messages waiting": waiting, "turns done": len(chaos.tally.done)})


def main() -> int:
    """Print the table; 1 when something grew, or was lost."""
    asked = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    asked.add_argument("--family", choices=sorted(FAMILIES), default="sqlite")
    asked.add_argument("--sessions", type=int, default=10_000)
    asked.add_argument("--rate", type=float, default=50.0, help="messages a second")
    asked.add_argument("--minutes", type=float, default=10.0)
    asked.add_argument("--workers", type=int, default=4)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="outlive-soak-", ignore_cleanup_errors=True) as folder:
        samples, chaos = asyncio.run(soak(Path(folder), given))
        locked = "database is locked" in (Path(folder) / "stderr").read_text()
    left = chaos.tally.sent.keys() - chaos.tally.done
    print(f"{given.family}: {len(chaos.tally.sent):,} messages to {given.sessions:,} sessions, {given.rate}/s\n")
    print(samples.table() + "\n")
    wrong = samples.grown("memory, MiB", "open files", "threads", "temporary files")
    wrong += [f"{len(left)} messages were not answered"] if left else []
    wrong += [f"errors: {dict(chaos.tally.errors)}"] if chaos.tally.errors or locked else []
    print("\n".join(f"VIOLATION: {each}" for each in wrong) or "flat; no errors", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
