"""One history from its scenario to its verdict: run, calmed down, looked at from outside."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from unittest.mock import patch

from outlive.core import turns
from outlive.testing.simulation.controls_monitor import ControlsMonitor
from outlive.testing.simulation.loop import SimulatedLoop, Stuck
from outlive.testing.simulation.monitor import Violation
from outlive.testing.simulation.network import Weather
from outlive.testing.simulation.operators import operate
from outlive.testing.simulation.people import People
from outlive.testing.simulation.scenarios import SECONDS, WINDOW, Scenario
from outlive.testing.simulation.universe import Universe
from outlive.testing.simulation.verdict import check_in_the_end

MOST_STEPS = 1_000_000
CALM_SECONDS = 3 * 3600.0
"""How long a universe may take to come to rest once nothing goes wrong any more: clocks are an hour apart."""


@dataclass(slots=True)
class History:
    """What became of a scenario."""

    scenario: Scenario
    violation: Violation | None
    trace: str
    """Digest of every call and its outcome, in order: the same seed gives the same."""
    faults: Counter[str] = field(default_factory=Counter)
    injected: list[str] = field(default_factory=list)
    steps: int = 0
    calls: int = 0
    turns: int = 0
    model_calls: int = 0
    log: list[str] | None = None


def run_history(scenario: Scenario, *, with_log: bool = False) -> History:
    """Run the scenario; the same one gives the same history, in any process, on any machine."""
    random = Random(f"history {scenario.seed}")  # noqa: S311 - reproducible, not secret
    loop = SimulatedLoop(random, most_steps=MOST_STEPS)
    weather = Weather(scenario, log=[] if with_log else None)
    universe = Universe(scenario, weather, random)
    try:
        with patch.object(turns, "ANSWERED_WINDOW", WINDOW):
            loop.run_until_complete(_live(universe))
    except Stuck as error:
        universe.monitor.fail("no end", str(error))
    monitor = universe.monitor
    return History(
        scenario,
        monitor.violation,
        weather.trace.hexdigest(),
        weather.kinds,
        weather.injected,
        loop.steps,
        weather.calls,
        len(monitor.committed),
        monitor.model_calls,
        weather.log,
    )


async def _live(universe: Universe) -> None:
    loop, scenario = asyncio.get_running_loop(), universe.scenario
    for plan in scenario.workers:
        universe.start_worker(plan)
    keeping = loop.create_task(universe.keep_running())
    handing = [loop.create_task(universe.hand_in(s, at)) for s in scenario.sendings for at in (s.at, *s.again)]
    others = [loop.create_task(universe.disturb(each)) for each in scenario.disturbances]
    others += [loop.create_task(operate(universe, each)) for each in scenario.operations]
    if scenario.controls and isinstance(universe.monitor, ControlsMonitor):
        people = People(universe, scenario.controls, universe.monitor)
        universe.vendor.readers.append(people.hear)
        others += [loop.create_task(people.do(each)) for each in scenario.controls.deeds]
    await asyncio.sleep(SECONDS)
    universe.weather.fair = universe.monitor.in_peace = True
    universe.weather.note("fair weather")
    for task in (*handing, *others):
        await task
    await _come_to_rest(universe)
    keeping.cancel()
    await check_in_the_end(universe)


async def _come_to_rest(universe: Universe) -> None:
    """Until every message is settled; dead letters are sent again, as an operator would."""
    loop = asyncio.get_running_loop()
    memory, end = universe.servers.memory, loop.time() + CALM_SECONDS
    while universe.monitor.violation is None:
        if memory.letters:
            await _redrive(universe)
        is_answering = any(not each.done() for each in universe.people)
        if not (memory.waiting or is_answering or any(key.startswith("_outbox/") for key in memory.rows)):
            return
        if loop.time() > end:
            waiting = [entry.message.dedupe_id for entry in memory.waiting]
            universe.monitor.fail("no rest", f"after {CALM_SECONDS:.0f} s: {waiting}, {list(memory.rows)}")
        await asyncio.sleep(5.0)


async def _redrive(universe: Universe) -> None:
    process = universe.process("observer")
    queue = universe.engine(process, calm=True).queue

    async def send_again() -> None:
        for letter in await queue.dead_letters():
            await queue.redrive(letter.id)

    await universe.run(process, send_again)
    universe.servers.wake()
