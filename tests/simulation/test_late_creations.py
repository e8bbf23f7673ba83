"""What arrives after an erase: the creation of a session that had no answer, and the commit behind it."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from outlive.core.keys import session_key
from outlive.flows.turn import hold_lease
from outlive.testing.simulation.campaigns import run_campaign
from outlive.testing.simulation.histories import run_history
from outlive.testing.simulation.scenarios import Operation, Scenario, Sending, WorkerPlan, make_late_creations

ADA = session_key("acme", "chat", "ada")
KNOWN = 13
"""A seed that finds the fault."""
ONE = (WorkerPlan("w1", 0.0, 1, None),)


@pytest.mark.promise("P10")
@pytest.mark.parametrize("what", [("erase",), ("erase", "sweep"), ("erase", "erase"), ("sweep", "erase")])
def test_a_creation_that_comes_after_the_erase_names_no_removed_pack(what) -> None:
    """A head whose creation and commit arrive again when it has been erased is empty, and is gone in the end."""
    deeds = tuple(Operation(each, ADA, 14.0 + number) for number, each in enumerate(what))
    scenario = Scenario(1, ONE, (Sending(ADA, "m1", 1.0),), deeds, late_creation=True)
    history = run_history(scenario, with_log=True)
    assert history.violation is None
    assert sum("arrived late" in line for line in history.log or ()) >= 2


@pytest.mark.promise("P10")
def test_histories_of_late_creations_break_no_promise() -> None:
    """Where the first writes of sessions are late, and erases and forks come soon, no promise is broken."""
    figures = run_campaign(range(24), make=make_late_creations)
    assert figures.failed == []
    assert figures.faults["operator: erase"] >= 24


def test_such_histories_would_notice() -> None:
    """With a creation that is sent again under the same token, one of them finds a head that names a removed pack."""
    with patch.object(hold_lease, "AGAIN", 0):
        violation = run_history(make_late_creations(KNOWN)).violation
    assert violation is not None
    assert violation.check == "a live pack is missing"
