"""Approvals, limits of money and the kill switch in simulated universes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outlive.core.approvals import NOT_TAKEN, TOOL_DEFERRED
from outlive.testing.simulation.campaigns import Figures, run_campaign
from outlive.testing.simulation.controls import STOP
from outlive.testing.simulation.histories import History, run_history
from outlive.testing.simulation.monitor import Violation
from outlive.testing.simulation.scenarios import Scenario, make_controlled
from outlive.testing.simulation.shrink import shrink

SEEDS = (1, 4, 7, 15, 26, 27, 31, 35, 59, 60, 62, 89, 92, 98, 122, 123, 124)
"""Short ones, in which everything happens that is to happen."""


@pytest.fixture(scope="module")
def figures() -> Figures:
    """The fixed histories."""
    return run_campaign(SEEDS, make=make_controlled)


@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
def test_histories_with_controls_break_no_promise(figures) -> None:
    """Where calls wait for people, money is limited and operators stop turns, no promise is broken."""
    assert figures.failed == []
    assert figures.histories == len(SEEDS)


def test_they_meet_every_deed_answer_and_end(figures) -> None:
    """Every deed and answer happens in them, and turns end in every way that these can lead to."""
    deeds = {f"operator: {what}{whom}" for what in ("stop", "start", "limit") for whom in ("", " all")}
    answers = {f"answer: {choice}" for choice in ("once", "always", "deny")}
    ends = {"end_turn", TOOL_DEFERRED, NOT_TAKEN, "not_started", "stopped", "day_limit", "month_limit", "session_limit"}
    assert deeds | answers | {f"turn: {end}" for end in ends} | {"unreadable controls"} <= figures.faults.keys()


def test_a_seed_gives_the_same_history_again() -> None:
    """Two runs of one seed have the same trace, call by call."""
    first, again = run_history(make_controlled(4)), run_history(make_controlled(4))
    assert (first.trace, first.steps, first.injected) == (again.trace, again.steps, again.injected)


def test_a_failing_history_is_cut_down_to_what_it_needs() -> None:
    """Deeds are left out and questions left without an answer, as long as the same promise is broken."""
    failing = replace(run_history(make_controlled(4)), violation=Violation("a stop was not heeded", ""))

    def run(scenario: Scenario) -> History:
        is_left = any(deed.what == STOP for deed in scenario.controls.deeds)
        return replace(failing, scenario=scenario, violation=failing.violation if is_left else None)

    small = shrink(failing, run=run).scenario
    assert [deed.what for deed in small.controls.deeds] == [STOP]
    assert not any(small.controls.people)
