"""Whether the simulation would notice: each deliberate fault in the engine breaks a promise in some history."""

from __future__ import annotations

import pytest

from outlive.testing.simulation.mutations import MUTATIONS, hunt

MOST = 40


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_deliberate_fault_is_found(mutation) -> None:
    """With this fault in the engine a history breaks a promise, within a few seeds from one that is known to."""
    caught = hunt(mutation, [mutation.known, *range(MOST)])
    assert caught.check
