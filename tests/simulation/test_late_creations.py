"""What arrives after an erase: the creation of a session that had no answer, and the commit behind it."""

from __future__ import annotations

import pytest

from outlive.core.keys import session_key
from outlive.testing.simulation.histories import run_history
from outlive.testing.simulation.scenarios import Operation, Scenario, Sending, WorkerPlan

ADA = session_key("acme", "chat", "ada")
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
