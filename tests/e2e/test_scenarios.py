"""Everything an agent does, with a new host for every turn, beside an agent that never had to move.

Trees are compared byte for byte. Model requests are compared twice: with those of the agent that stayed (see
`outlive.testing.prefix`), and, without leaving anything out, with the last request before each move.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from outlive.testing.prefix import Comparison, compare_prompts
from outlive.testing.scripted_model import RecordedRequest, ScriptedModel
from tests.agents.profile_folder import make_profile
from tests.e2e.hosts import Hosts, Tree
from tests.e2e.scenarios import PLAIN, SCENARIOS, Scenario
from tests.e2e.test_bare_sdk import PROMPT, alone, check_asked_alike

pytestmark = pytest.mark.cli


@dataclass
class Played:
    """A scenario that was played twice, and is over."""

    scenario: Scenario
    stayed: Hosts
    moved: Hosts
    replies: list[str]
    alone: list[RecordedRequest]
    """What the SDK alone asks in the same scenario; nothing where it is not compared."""


async def _play(scenario: Scenario, base: Path) -> Played:
    profiles = None
    if scenario.profile is not None:
        profiles = base / "profiles"
        scenario.profile(profiles / "default")
    elif scenario in PLAIN:
        profiles = base / "profiles"
        make_profile(profiles / "default", prompt=PROMPT)
    async with ScriptedModel() as model:
        stayed = Hosts(base, model, moves=False, profiles=profiles, warm=scenario.one_process, **scenario.options)
        try:
            for text in scenario.turns:
                await stayed.turn(text)
        finally:
            await stayed.leave()
        moved = Hosts(base, model, profiles=profiles, warm=True, **scenario.options)
        moved.worker = lambda: moved.world.worker("any", hydration="full")  # for windows: test_window.py
        expected = await alone(scenario, moved) if scenario in PLAIN else []
        try:
            replies = [(await moved.turn(text)).line.reply for text in scenario.turns]
        finally:
            await moved.leave()
    return Played(scenario, stayed, moved, replies, expected)


@pytest.fixture(scope="module", params=SCENARIOS, ids=str)
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The scenario on one host, in one process, and then, below the same path, on as many hosts as it has turns."""
    return asyncio.run(_play(request.param, tmp_path_factory.mktemp("hosts")))


def different(before: Tree, after: Tree) -> list[str]:
    """The paths whose kind, mode or bytes are not the same."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


@pytest.mark.promise("P2")
def test_every_host_begins_with_what_the_last_one_committed(played: Played) -> None:
    """The tree that a host restores has the paths, modes, links and bytes of the tree that was committed before."""
    restored, committed = played.moved.restored, played.moved.committed
    assert len(restored) == len(played.scenario.turns) >= 2
    assert restored[0] == {}
    for after, before in zip(restored[1:], committed, strict=False):
        assert different(before, after) == []


def test_the_agent_can_do_what_it_did(played: Played) -> None:
    """What the scenario is about is there on the last host."""
    assert played.scenario.holds(played.replies, played.moved.committed[-1]), played.replies


def test_the_model_is_asked_what_an_agent_that_never_moved_asks(played: Played) -> None:
    """Request by request, at least 99 % of the prompt's bytes, from its start, are those of the agent that stayed."""
    ours, theirs = played.stayed.requests(), played.moved.requests()
    assert len(ours) == len(theirs) >= len(played.scenario.turns)
    for expected, found in zip(ours, theirs, strict=True):
        _require(compare_prompts(expected.body, found.body))


@pytest.mark.parametrize("played", PLAIN, ids=str, indirect=True)
def test_the_model_is_asked_what_the_sdk_alone_asks(played: Played) -> None:
    """With a new host for each turn, at least 99 % of each prompt is what the SDK alone sends when it stays at home."""
    check_asked_alike(played.alone, played.moved, played.scenario)


def test_the_prompt_before_a_move_is_the_start_of_the_one_after_it(played: Played) -> None:
    """What the model was told before a move is told in the same bytes behind it, so the provider's cache still hits."""
    for last, first in played.moved.around_moves():
        _require(compare_prompts(last.body, first.body, ids=()), least=0.999)


def _require(comparison: Comparison, least: float = 0.99) -> None:
    assert comparison.share >= least, (
        f"{comparison.share:.4f} of {comparison.expected_bytes:,}: {comparison.difference}"
    )
