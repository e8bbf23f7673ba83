"""What the engine tells an agent that keeps processes: only committed trees, and every one that is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from outlive.errors import Unavailable
from outlive.protocols import AgentTurn
from outlive.testing.faults import ErrorBefore, Plan, every
from outlive.testing.instant_agent import InstantAgent
from tests.engine.conftest import World


@dataclass
class Diary(InstantAgent):
    """Writes down what it is told."""

    told: list[str] = field(default_factory=list)

    async def keep(self, root: Path, tree: str) -> None:
        """The tree was committed."""
        self.told.append(f"keep {tree}")

    async def drop(self, root: Path, *, unless: str | None = None) -> None:
        """Nothing but this tree may stay."""
        self.told.append(f"drop unless {unless}")


@pytest.fixture
def diary(world: World) -> Diary:
    """The agent of all workers."""
    world.agent = Diary()
    return world.agent


def trees(turns: list[AgentTurn]) -> list[str]:
    """What the agent was told the turns start from."""
    return [turn.tree for turn in turns]


async def test_a_tree_is_kept_after_its_commit(world: World, diary: Diary) -> None:
    """The agent hears of the tree once the head names it, and is asked to drop all others before and after."""
    await world.turn(world.worker(), "one")
    tree = (await world.head()).tree
    assert tree.startswith("1:")
    assert diary.told == ["drop unless 0:", f"keep {tree}", f"drop unless {tree}"]


async def test_a_turn_that_is_not_committed_is_not_kept(world: World, diary: Diary) -> None:
    """When the commit fails, what remembers the turn is dropped, and what was kept for the old tree may stay."""
    await world.turn(world.worker(), "one")
    tree = (await world.head()).tree
    diary.told.clear()
    plan = Plan(every("objects.put", ErrorBefore()), clock=world.clock)
    with pytest.raises(Unavailable):
        await world.turn(world.worker("w1", plan), "two")
    assert diary.told == [f"drop unless {tree}"] * 2


async def test_only_an_untouched_tree_has_a_name(world: World, diary: Diary) -> None:
    """A turn on the disk that made the head is told the tree; one on a disk that had to be brought there is not."""
    await world.turn(world.worker("w1"), "one")
    tree = (await world.head()).tree
    await world.turn(world.worker("w1"), "two")
    await world.turn(world.worker("w2"), "three")
    await world.turn(world.worker("w1"), "four")
    assert trees(diary.runs) == ["", tree, "", ""]


async def test_what_was_added_behind_a_commit_is_not_built_upon(world: World, tmp_path: Path) -> None:
    """A disk that is behind and whose transcript has grown by itself is put right before the new bytes come."""
    await world.turn(world.worker("w1"), "one")
    (transcript,) = (tmp_path / "w1").glob("*/config/projects/session/*.jsonl")
    with transcript.open("a") as file:
        file.write('{"type":"last-prompt"}\n')
    (transcript.parents[3] / "work/late").write_text("late")
    await world.turn(world.worker("w2"), "two")
    await world.turn(world.worker("w1"), "three")
    path = f"config/projects/session/{transcript.name}"
    assert await world.file(path) == transcript.read_bytes()
    assert [entry["message"]["content"] for entry in await world.transcript()][::2] == ["one", "two", "three"]
    assert not (transcript.parents[3] / "work/late").exists()
