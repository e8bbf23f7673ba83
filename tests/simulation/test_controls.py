"""Approvals, limits of money and the kill switch in simulated universes."""

from __future__ import annotations

import pytest

from outlive.core.approvals import NOT_TAKEN, TOOL_DEFERRED
from outlive.testing.simulation.campaigns import Figures, run_campaign
from outlive.testing.simulation.histories import run_history
from outlive.testing.simulation.scenarios import make_controlled

SEEDS = 24


@pytest.fixture(scope="module")
def figures() -> Figures:
    """The fixed histories."""
    return run_campaign(range(SEEDS), make=make_controlled)


@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
def test_histories_with_controls_break_no_promise(figures) -> None:
    """Where calls wait for people, money is limited and operators stop turns, no promise is broken."""
    assert figures.failed == []
    assert figures.histories == SEEDS


def test_they_meet_every_deed_answer_and_end(figures) -> None:
    """Every deed and answer happens in them, and turns end in every way that these can lead to."""
    deeds = {f"operator: {what}{whom}" for what in ("stop", "start", "limit") for whom in ("", " all")}
    answers = {f"answer: {choice}" for choice in ("once", "always", "deny")}
    ends = {"end_turn", TOOL_DEFERRED, NOT_TAKEN, "not_started", "stopped", "day_limit", "session_limit"}
    assert deeds | answers | {f"turn: {end}" for end in ends} <= figures.faults.keys()


def test_a_seed_gives_the_same_history_again() -> None:
    """Two runs of one seed have the same trace, call by call."""
    first, again = run_history(make_controlled(3)), run_history(make_controlled(3))
    assert (first.trace, first.steps, first.injected) == (again.trace, again.steps, again.injected)
