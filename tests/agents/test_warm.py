"""Processes at rest, without a process: who is handed out, and who has to go when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from outlive.agents.process_tree import Running, newcomers
from outlive.agents.residents import Residents
from outlive.agents.warm import WarmLimits, WarmProcesses
from outlive.agents.workspace import DiskWorkspaces, Slot
from outlive.testing.clock import ManualClock

RECIPE = ("profile", "conversation")
A, B, C = Path("/a"), Path("/b"), Path("/c")


class PatientClock(ManualClock):
    """Whoever sleeps sleeps for good: a test lets time pass, and asks itself."""

    async def sleep(self, seconds: float) -> None:
        """Never return."""
        await asyncio.Event().wait()


@dataclass
class Idler:
    """A process that does nothing."""

    pid: int = 1
    recipe: tuple[str, str] = RECIPE
    at_rest: bool = True
    closed: bool = False
    died: asyncio.Event = field(default_factory=asyncio.Event)

    async def ended(self) -> None:
        """Until it dies by itself."""
        await self.died.wait()

    async def close(self) -> None:
        """Take a moment, as a process does."""
        await asyncio.sleep(0)
        self.closed = True


class Pool(WarmProcesses[Idler]):
    """A pool with a clock that tests move, in which a process takes as many MiB as its id says."""

    def __init__(self, **limits: float) -> None:
        self.clock = PatientClock()
        super().__init__(WarmLimits(**limits), Residents[Slot](), self.clock, measure=lambda pid: pid << 20)  # type: ignore[arg-type]

    async def add(self, root: Path, pid: int = 1, tree: str | None = "1:x") -> Idler:
        """A process whose turn was committed as `tree`; None for one that is not committed yet."""
        process = Idler(pid)
        await self.rest(root, process)
        if tree is not None:
            await self.keep(root, tree)
        return process


async def test_a_process_serves_the_tree_it_ended_on() -> None:
    """It is handed out once, alive, to the turn that starts from its committed tree."""
    pool = Pool()
    process = await pool.add(A)
    assert await pool.take(A, "1:x", RECIPE) is process
    assert not process.closed
    assert await pool.take(A, "1:x", RECIPE) is None


@pytest.mark.parametrize(
    ("committed", "asked", "recipe"),
    [("1:x", "1:y", RECIPE), ("1:x", "", RECIPE), (None, "1:x", RECIPE), ("1:x", "1:x", ("other", "conversation"))],
    ids=["another tree", "an unknown tree", "not committed", "another profile"],
)
async def test_any_other_process_is_ended(committed: str | None, asked: str, recipe: tuple[str, str]) -> None:
    """Whatever does not fit exactly is gone before the turn begins."""
    pool = Pool()
    process = await pool.add(A, tree=committed)
    assert await pool.take(A, asked, recipe) is None
    assert process.closed


async def test_a_busy_process_is_not_handed_out() -> None:
    """A process that has begun something by itself is ended."""
    pool = Pool()
    process = await pool.add(A)
    process.at_rest = False
    assert await pool.take(A, "1:x", RECIPE) is None
    assert process.closed


async def test_the_longest_rested_goes_first() -> None:
    """Above the limit of processes the oldest is ended, and only that one."""
    pool = Pool(processes=2)
    processes = [await pool.add(root) for root in (A, B, C)]
    assert [process.closed for process in processes] == [True, False, False]


async def test_memory_is_limited() -> None:
    """Processes go, the longest rested first, until the others fit."""
    pool = Pool(memory_mb=100)
    processes = [await pool.add(root, pid) for root, pid in ((A, 50), (B, 40), (C, 30))]
    assert [process.closed for process in processes] == [True, False, False]


async def test_rest_is_limited() -> None:
    """A process that has rested too long is ended; one that has served meanwhile is not."""
    pool = Pool(seconds=300)
    first, second = await pool.add(A), await pool.add(B)
    pool.clock.advance(200)
    assert await pool.take(B, "1:x", RECIPE) is second
    await pool.rest(B, second)
    await pool.keep(B, "2:x")
    pool.clock.advance(100)
    await pool.expire()
    assert (first.closed, second.closed) == (True, False)


async def test_dropping_spares_the_tree_that_is_named() -> None:
    """`drop` leaves the process of that tree, and ends any other."""
    pool = Pool()
    process = await pool.add(A)
    await pool.drop(A, unless="1:x")
    assert not process.closed
    await pool.drop(A, unless="2:y")
    assert process.closed


async def test_a_closed_pool_keeps_nothing() -> None:
    """Closing ends all, and what comes to rest afterwards."""
    pool = Pool()
    process = await pool.add(A)
    await pool.close()
    late = await pool.add(B)
    assert process.closed
    assert late.closed


async def opened(trees: DiskWorkspaces, inside: Callable[[Path], object] = lambda _: None) -> Path:
    """Where a turn gets its tree; `inside` is done while it has it."""
    tree = await trees.open("t", "s")
    inside(tree.root)
    await tree.close()
    return tree.root


async def test_a_tree_with_a_process_is_not_given_back(tmp_path: Path) -> None:
    """The same worker gets the tree again, others get another one, until the process has gone."""
    residents = Residents[Slot]()
    ours, others = DiskWorkspaces(tmp_path, residents=residents), DiskWorkspaces(tmp_path)
    root = await opened(ours, residents.pin)
    assert await opened(ours) == root
    assert (await opened(others)).name == f"{root.name}-2"
    residents.unpin(root)
    assert await opened(others) == root
    assert not residents.pin(root)


def test_a_newcomer_is_told_from_a_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child of a helper belongs to it; a child of the program, or one that lost its parent, is a newcomer."""
    tree = {2: 1, 3: 2, 4: 3, 5: 3, 6: 4, 7: 3, 8: 1}  # 1 supervisor, 2 sandbox, 3 program, 4 and 5 helpers
    monkeypatch.setattr(
        "outlive.agents.process_tree._all", lambda: [Running(pid, parent, 0) for pid, parent in tree.items()]
    )
    assert {each.pid for each in newcomers(1, {2, 3, 4, 5})} == {7, 8}


async def test_another_tenants_process_goes_first(tmp_path: Path) -> None:
    """Where one tenant at a time has the machine, what rests for one is ended before another's tree is opened."""
    residents, ended = Residents[Slot](), list[Path]()
    trees = DiskWorkspaces(tmp_path, tenancy="alone", residents=residents)

    async def end(root: Path) -> None:
        ended.append(root)
        residents.unpin(root)

    residents.ends_by(end)
    root = await opened(trees, residents.pin)
    assert await opened(trees) == root
    assert not ended
    tree = await trees.open("other", "s")
    assert ended == [root]
    await tree.close()
