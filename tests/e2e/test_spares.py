"""The real CLI started ahead of a session: who gets it, who does not, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from outlive.core.keys import session_key
from outlive.core.quotas import Quotas
from tests.agents.places import passable_folder
from tests.agents.watching import gone, naming, until
from tests.e2e.warm_host import Host, Universe, universe

pytestmark = pytest.mark.cli
GRACE = session_key("beta", "console", "grace")


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[Universe]:
    """Stores and a model."""
    async with universe(tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def host(world: Universe) -> Host:
    """A host with one process that waits."""
    host = world.host(spares=1)
    assert len(await host.wait_ahead()) == 1
    return host


async def test_a_new_session_gets_the_process_that_waits(world: Universe, host: Host) -> None:
    """Its first turns run on that process, and ask the model what a process of their own would ask."""
    ahead = host.processes()
    turn = await host.turn("My name is Ada")
    await host.turn("What is my name?")
    assert set(ahead) <= set(host.processes())
    assert "up to date" in [step.found.partition(",")[0] for step in turn.trace.steps]
    plain = world.host("b", processes=0)
    await plain.turn("My name is Ada", key=GRACE)
    ours, second, theirs = (request.body for request in world.model.requests if request.kind == "turn")
    assert ours["tools"] == theirs["tools"] == second["tools"]
    assert len(str(ours["messages"])) == len(str(theirs["messages"]))
    assert "Ada" in (await plain.turn("What is my name?")).line.reply


async def test_a_turn_with_other_limits_does_not_get_it(host: Host) -> None:
    """It is ended, and the turn starts a process of its own."""
    ahead = host.processes()
    limited = replace(host.engine, policy=replace(host.engine.policy, quotas=Quotas(max_agent_turns=7)))
    assert (await host.turn("hello", engine=limited)).line.stop_reason == "end_turn"
    assert not set(ahead) & set(host.processes())


async def test_a_dead_spare_costs_its_turn_nothing_but_time(host: Host) -> None:
    """A process that dies while the turn begins is replaced by another one, and the turn runs once."""
    os.kill(int(host.processes()[0]), signal.SIGKILL)
    turn = await host.turn("hello")
    assert (turn.line.turn, turn.after) == (1, 1)


async def test_a_closed_agent_leaves_no_spare(host: Host) -> None:
    """Neither process nor tree, lock or note is left of a process that no session has taken."""
    await host.agent.close()
    assert gone(str(host.trees), seconds=1)
    assert [path.name for path in host.trees.iterdir()] == [".tenants"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start agents as other users, and spares need that")
async def test_a_stopped_worker_leaves_no_spare() -> None:
    """`outlive worker` starts one by itself, and SIGTERM ends it: process, tree, lock and note."""
    with passable_folder() as folder:
        env = {**os.environ, "OUTLIVE_WORKSPACES": str(folder / "trees"), "OUTLIVE_MODEL": "scripted"}
        words = [sys.executable, "-m", "outlive", "worker", "--data", str(folder / "data")]
        worker = await asyncio.create_subprocess_exec(*words, env=env, stderr=asyncio.subprocess.DEVNULL)
        await until(lambda: bool(naming(str(folder / "trees"))))
        worker.terminate()
        await worker.wait()
        assert gone(str(folder / "trees"), seconds=1)
        assert [path.name for path in (folder / "trees").iterdir()] == [".tenants"]
