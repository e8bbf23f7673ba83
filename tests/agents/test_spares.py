"""Processes started ahead, without a process: which session gets which, and whose tree it is."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from outlive.agents.spares import EMPTY_TREE, SpareLimits, Spares, blank
from outlive.agents.workspace import DiskWorkspaces, Slot, spare_session_id
from outlive.core.sessions import Head, SessionId
from outlive.errors import AgentFailed
from outlive.protocols import AgentTool, AgentTurn, FileContent
from tests.agents.test_warm import Idler, Pool

ORDER = AgentTurn(Path("/somewhere"), "a secret", None)


class Ahead:
    """Spares whose processes do nothing, in a folder of their own."""

    def __init__(self, base: Path, *, processes: int = 1, mb: int = 1024) -> None:
        self.pool = Pool(memory_mb=mb)
        self.trees = DiskWorkspaces(base, residents=self.pool.home)  # type: ignore[arg-type]
        limits = SpareLimits(processes, 900.0, settle_seconds=0)
        self.spares = Spares[Slot, Idler](limits, self.trees, self.pool, spare_session_id)
        self.spares.starts_by(self.start)
        self.started: list[AgentTurn] = []
        self.idlers: list[Idler] = []
        self.is_broken = False

    async def start(self, turn: AgentTurn) -> Idler:
        """A process in the tree, which it keeps as long as it lives."""
        self.started.append(turn)
        if self.is_broken:
            raise AgentFailed("it does not start.")
        assert self.pool.home.pin(turn.root)
        self.idlers.append(Idler(1))
        return self.idlers[-1]

    async def fill(self, turn: AgentTurn = ORDER) -> None:
        """Start what is missing."""
        self.spares.begin(turn)
        self.spares.like(turn)
        await self.spares.settled()


@pytest.fixture
def ahead(tmp_path: Path) -> Ahead:
    """One for each profile."""
    return Ahead(tmp_path / "trees")


async def test_a_spare_is_offered_once_to_its_profile(ahead: Ahead) -> None:
    """A session of another profile gets none, and after the first one there is none until another is started."""
    await ahead.fill()
    assert ahead.spares.offer("other") is None
    first = ahead.spares.offer("default")
    assert (first is not None, ahead.spares.offer("default")) == (True, None)
    await ahead.fill()
    assert ahead.spares.offer("default") not in {None, first}


async def test_nothing_is_started_before_work_begins(ahead: Ahead) -> None:
    """A process that answers one question and ends, such as `outlive ask`, starts nothing ahead."""
    ahead.spares.like(ORDER)
    await ahead.spares.settled()
    assert ahead.started == []


async def test_a_spare_that_died_is_not_offered(ahead: Ahead) -> None:
    """The next turn has another one started in its place."""
    await ahead.fill()
    ahead.idlers[0].at_rest = False
    assert ahead.spares.offer("default") is None
    await ahead.fill()
    assert len(ahead.idlers) == 2


async def test_a_spare_that_nobody_wants_ends(ahead: Ahead) -> None:
    """After its time it is closed, and then it is not offered."""
    await ahead.fill()
    ahead.pool.clock.advance(901.0)
    await ahead.pool.expire()
    assert ahead.idlers[0].closed
    assert ahead.spares.offer("default") is None


async def test_a_spare_takes_no_memory_from_what_rests(tmp_path: Path) -> None:
    """Where the limit leaves no room for it, the spare itself ends, and leaves nothing on disk."""
    ahead = Ahead(tmp_path, mb=10)
    resting = await ahead.pool.add(Path("/a"), 10)
    await ahead.fill()
    assert (ahead.idlers[0].closed, resting.closed) == (True, False)


async def test_one_that_cannot_be_started_is_not_tried_again_at_once(ahead: Ahead) -> None:
    """A broken profile costs one start a minute, not one a turn; its tree is gone."""
    ahead.is_broken = True
    await ahead.fill()
    await ahead.fill()
    assert len(ahead.started) == 1
    assert not list((ahead.started[0].root.parent).glob("*.lock"))


def test_an_order_has_nothing_of_its_tenant() -> None:
    """What is remembered of a first turn is what all of them have in common: no message, no place, no bound tool."""

    async def call(_given: object) -> str:
        return "a secret"

    tool = AgentTool("t", "does it", {}, call)
    order = blank(replace(ORDER, tools=(tool,), max_turns=3, traceparent="x", tree="1:x"))
    assert order == replace(blank(ORDER), tools=order.tools, max_turns=3)
    assert order.tools[0] != tool
    assert (order.prompt, order.root, order.tree, order.traceparent) == (None, Path(), "", "")


def test_a_new_head_names_the_tree_that_spares_wait_in() -> None:
    """The name that a process waits under is the one that a first turn asks for."""
    assert Head(SessionId("s"), "t:c:c:default", 0, 0).tree == EMPTY_TREE


async def test_the_path_follows_from_the_id_alone(tmp_path: Path) -> None:
    """A spare's tree lies where every host will look for the session, whoever the tenant turns out to be."""
    here, there, spare = DiskWorkspaces(tmp_path / "a"), DiskWorkspaces(tmp_path / "b"), spare_session_id()
    slot = await here.open_spare(spare)
    tree = await there.open("acme", spare)
    assert slot.root.name == tree.root.name
    await tree.close()
    here.release(slot)
    assert not slot.root.exists()


async def test_another_tenant_with_the_same_id_finds_nothing(tmp_path: Path) -> None:
    """Ids of spares name the tree without the tenant, so a tree that was another's is emptied before it is opened."""
    trees, spare = DiskWorkspaces(tmp_path), spare_session_id()
    first = await trees.open("acme", spare)
    await first.write([FileContent("work/secret", "file", 0o600, [b"x"])])
    await first.mark_clean(b"note")
    await first.close()
    second = await trees.open("beta", spare)
    assert (list((second.root / "work").iterdir()), await second.note()) == ([], None)
    await second.close()


async def test_what_a_dead_worker_left_is_removed(tmp_path: Path) -> None:
    """The spare tree of a worker that was killed goes; one whose worker lives, and a session's, stay."""
    trees, session = DiskWorkspaces(tmp_path), await DiskWorkspaces(tmp_path).open("acme", "s")
    dead, alive = [await trees.open_spare(spare_session_id()) for _ in range(2)]
    for lock in dead.locks:
        os.close(lock)
    await trees.remove_left_spares()
    assert [root.exists() for root in (dead.root, alive.root, session.root)] == [False, True, True]
    await session.close()
    trees.release(alive)
