"""A failing scenario cut down: fewer faults, fewer disturbances, fewer messages, as long as the same check fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from outlive.testing.simulation.controls import Controls
from outlive.testing.simulation.histories import History, run_history
from outlive.testing.simulation.scenarios import Scenario

MOST_TRIES = 300


def shrink(history: History, *, run: Callable[[Scenario], History] = run_history) -> History:
    """The smallest history found that breaks the same promise; the given one when none is smaller."""
    tries = 0
    improved = True
    while improved and tries < MOST_TRIES:
        improved = False
        for smaller in _smaller(history):
            tries += 1
            found = run(smaller)
            if found.violation and history.violation and found.violation.check == history.violation.check:
                history, improved = found, True
                break
            if tries >= MOST_TRIES:
                break
    return history


def _smaller(history: History) -> Iterator[Scenario]:
    """Scenarios with something left out, the boldest cuts first."""
    scenario = history.scenario
    if scenario.rates:
        yield replace(scenario, rates={})
        for kind in scenario.rates:
            yield replace(scenario, rates={name: rate for name, rate in scenario.rates.items() if name != kind})
    for name in ("operations", "disturbances", "sendings"):
        for place in range(len(getattr(scenario, name))):
            yield _without(scenario, name, place)
    if scenario.controls:
        yield from (replace(scenario, controls=less) for less in _fewer(scenario.controls))
    if len(scenario.workers) > 1:
        for place in range(len(scenario.workers)):
            yield _without_worker(scenario, place)
    yield from _calmer(scenario)
    injected = history.injected
    size = len(injected)
    while size >= 1:
        for start in range(0, len(injected), size):
            yield replace(scenario, muted=scenario.muted | frozenset(injected[start : start + size]))
        size //= 2


def _without(scenario: Scenario, name: str, place: int) -> Scenario:
    items = getattr(scenario, name)
    rest = (*items[:place], *items[place + 1 :])
    match name:
        case "operations":
            return replace(scenario, operations=rest)
        case "disturbances":
            return replace(scenario, disturbances=rest)
        case _:
            return replace(scenario, sendings=rest)


def _fewer(controls: Controls) -> Iterator[Controls]:
    """One deed less, or one question that nobody answers."""
    for place in range(len(controls.deeds)):
        yield replace(controls, deeds=(*controls.deeds[:place], *controls.deeds[place + 1 :]))
    for place, says in enumerate(controls.people):
        if says:
            yield replace(controls, people=(*controls.people[:place], (), *controls.people[place + 1 :]))


def _without_worker(scenario: Scenario, place: int) -> Scenario:
    gone = scenario.workers[place].name
    disturbances = tuple(each for each in scenario.disturbances if each.worker != gone)
    workers = (*scenario.workers[:place], *scenario.workers[place + 1 :])
    return replace(scenario, workers=workers, disturbances=disturbances)


def _calmer(scenario: Scenario) -> Iterator[Scenario]:
    """One oddity less."""
    if scenario.hot_tier:
        yield replace(scenario, hot_tier=False)
    if scenario.loose_queue:
        yield replace(scenario, loose_queue=False)
    if scenario.crowded:
        yield replace(scenario, crowded=False)
    if scenario.torn_transcripts:
        yield replace(scenario, torn_transcripts=False)
    if any(worker.ahead for worker in scenario.workers):
        yield replace(scenario, workers=tuple(replace(each, ahead=0.0) for each in scenario.workers))
    if any(sending.again for sending in scenario.sendings):
        yield replace(scenario, sendings=tuple(replace(each, again=()) for each in scenario.sendings))
