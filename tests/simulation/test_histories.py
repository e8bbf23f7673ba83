"""The engine in simulated universes: no promise is broken, and a seed is enough to see a history again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from random import SystemRandom

import pytest

from outlive.testing.simulation.__main__ import main
from outlive.testing.simulation.campaigns import Figures, run_campaign, table
from outlive.testing.simulation.histories import run_history
from outlive.testing.simulation.mutations import MUTATIONS
from outlive.testing.simulation.scenarios import CALL_FAULTS, DISTURBANCES, OPERATIONS, UNHEARD, make_scenario
from outlive.testing.simulation.shrink import shrink

SEEDS = 80
FOUND = (7_006_569, 9_002_597, 10_000_195, 20_019_724, 20_046_630)
"""Failed once: a repeat sent in the second of its turn; a message between an erase cut off and its deletes; a check
that held a lease against a worker whom a partition kept from hearing of it; a lease broken by force,
taken for renewed; a fork taken back whose first writes all arrived afterwards."""
TRACE = "from outlive.testing.simulation.__main__ import main; import sys; sys.exit(main(['--replay', '7']))"


@pytest.fixture(scope="module")
def figures() -> Figures:
    """The fixed histories."""
    return run_campaign(range(SEEDS))


@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
@pytest.mark.promise("P3")
@pytest.mark.promise("P4")
@pytest.mark.promise("P5")
@pytest.mark.promise("P9")
def test_fixed_histories_break_no_promise(figures) -> None:
    """Under crashes, pauses, partitions, lost and late replies and wrong clocks each message has one turn."""
    assert figures.failed == []
    assert figures.histories == SEEDS
    assert figures.turns > SEEDS


@pytest.mark.promise("P1")
def test_fresh_histories_break_no_promise() -> None:
    """Histories that nobody has chosen break no promise either; a seed that does is named."""
    start = SystemRandom().randrange(1 << 40)
    assert run_campaign(range(start, start + SEEDS // 2)).failed == []


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_once_stays_mended(seed) -> None:
    """A history that has broken a promise breaks none any more."""
    assert run_history(make_scenario(seed)).violation is None


def test_the_fixed_histories_meet_every_fault(figures) -> None:
    """Every kind of call fault, disturbance and operator's deed happens in them, and the table of figures names it."""
    wanted = {*CALL_FAULTS, *DISTURBANCES, UNHEARD, *(f"operator: {each}" for each in OPERATIONS)}
    assert wanted <= figures.faults.keys()
    assert all(kind in table(figures) for kind in wanted)


def test_a_seed_gives_the_same_history_again() -> None:
    """Two runs of one seed have the same trace, call by call, and another seed has another."""
    first, again = run_history(make_scenario(7)), run_history(make_scenario(7))
    assert (first.trace, first.steps, first.injected) == (again.trace, again.steps, again.injected)
    assert run_history(make_scenario(8)).trace != first.trace


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_seed_gives_the_same_history_in_another_process(hash_seed) -> None:
    """The trace does not depend on the interpreter's hash seed, nor on what ran before in the process."""
    command = [sys.executable, "-c", TRACE]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=False
    )
    assert f"trace {run_history(make_scenario(7)).trace}" in done.stdout
    assert done.returncode == 0


def test_the_figures_are_a_document(tmp_path, capsys) -> None:
    """`--json` writes the figures that the table prints, the faults by their kind."""
    assert main(["--seeds", "4", "--jobs", "1", "--json", str(tmp_path / "f")]) == 0
    told = json.loads((tmp_path / "f").read_text())
    assert told["histories"] == 4
    kind, count = next(iter(told["faults"].items()))
    assert re.search(rf"{kind} +{count}\b", capsys.readouterr().out)


def test_a_failing_history_is_shrunk() -> None:
    """A history that fails is cut down to one that breaks the same promise with less in it."""
    mutation = next(each for each in MUTATIONS if each.name == "the fence is not checked")
    with mutation.apply():
        failing = run_history(make_scenario(mutation.known))
        small = shrink(failing)
    assert small.violation.check == failing.violation.check
    assert len(small.injected) <= len(failing.injected)
    assert _size(small.scenario) < _size(failing.scenario)


def _size(scenario) -> int:
    parts = (scenario.workers, scenario.sendings, scenario.operations, scenario.disturbances, scenario.rates)
    return sum(map(len, parts))
