"""A short run of chaos on each family; `make chaos` is the long one."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.agents.places import passable_folder
from tests.chaos.families import FAMILIES
from tests.chaos.run import run_chaos

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="processes are found through /proc")

KILLS = {"sqlite": 12}
if os.environ.get("OUTLIVE_TEST_CHAOS"):  # `make chaos` prints tables; this one is for a debugger
    KILLS |= {"servers": 40, "aws": 40}


@contextmanager
def same_environment() -> Iterator[None]:
    """What a run sets is put back."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.mark.timeout(240)
@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
@pytest.mark.promise("P3")
@pytest.mark.parametrize("name", KILLS)
async def test_nothing_is_lost_or_done_twice(name: str) -> None:
    """Workers killed and paused at random lose no message, commit none twice, and leave no hole."""
    seed = int(os.environ.get("OUTLIVE_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    print(f"OUTLIVE_TEST_SEED={seed}")
    with same_environment(), passable_folder() as base:
        family = FAMILIES[name](base)
        try:
            tally = await run_chaos(family, base, seed, KILLS[name])
        finally:
            family.close()
    assert tally.violations == []
    assert tally.counts["turns"] == tally.counts["messages"] >= 10
