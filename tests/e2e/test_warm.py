"""The real CLI kept alive between turns: who may use it, and that it never knows less than the store."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from outlive.agents.workspace import DiskWorkspaces
from outlive.core.keys import session_key
from outlive.core.quotas import Quotas
from outlive.errors import AgentFailed, Unavailable
from outlive.flows.sessions.rewind_session import rewind_session
from outlive.testing.faults import ErrorBefore, Plan, every, faulty
from outlive.testing.scripted_model import Fail, script
from tests.agents.watching import gone, until
from tests.e2e.warm_host import Host, Universe, universe

pytestmark = pytest.mark.cli


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[Universe]:
    """Stores and a model."""
    async with universe(tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def host(world: Universe) -> Host:
    """A host whose processes stay."""
    return world.host()


async def test_the_second_turn_has_the_same_process(host: Host) -> None:
    """The CLI of the first turn answers the second one, which knows what was said."""
    await host.turn("My name is Ada")
    before = host.processes()
    turn = await host.turn("What is my name?")
    assert "Ada" in turn.line.reply
    assert len(before) == 1
    assert host.processes() == before


async def test_a_turn_by_another_worker_is_seen(world: Universe, host: Host) -> None:
    """A process whose conversation another worker has carried on is ended, and the next one knows of it."""
    await host.turn("hello")
    before = host.processes()
    await world.host("b").turn("My name is Ada")
    turn = await host.turn("What is my name?")
    assert "Ada" in turn.line.reply
    assert not set(before) & set(host.processes())
    assert turn.after == 3


async def test_a_rewind_is_seen(host: Host) -> None:
    """After a rewind the process that remembers what was taken back does not answer."""
    await host.turn("hello")
    await host.turn("My name is Ada")
    before = host.processes()
    await rewind_session(host.engine, host.engine.stores("acme"), (await host.world.head()).session_id, 1)
    turn = await host.turn("What is my name?")
    assert "Ada" not in turn.line.reply
    assert not set(before) & set(host.processes())


async def test_a_commit_that_fails_ends_the_process(world: Universe, host: Host) -> None:
    """Nothing that remembers a turn which does not count lives on, and the message is answered afterwards."""
    await host.turn("hello")
    refuse = faulty(host.engine.objects, Plan(every("objects.put", ErrorBefore()), clock=world.world.clock), "objects")
    with pytest.raises(Unavailable):
        await host.turn("My name is Ada", engine=replace(host.engine, objects=refuse))
    assert host.processes() == []
    turn = await host.turn("My name is Ada")
    assert (turn.after, turn.line.turn) == (2, 2)


async def test_a_changed_profile_starts_anew(world: Universe, tmp_path: Path) -> None:
    """A process that was started with the old system prompt does not answer any more."""
    prompt = tmp_path / "profiles/default/system_prompt.md"
    prompt.parent.mkdir(parents=True)
    prompt.write_text("You are the first.")
    host = world.host(profiles=tmp_path / "profiles")
    await host.turn("hello")
    prompt.write_text("You are the second.")
    await host.turn("hello again")
    assert "You are the second." in str(world.model.requests[-1].body["system"])


async def test_each_turn_is_billed_once(world: Universe, host: Host) -> None:
    """Warm, warm, and cold after the process was killed: each turn costs what the same turn costs a cold worker."""
    cold, texts = world.host("b", processes=0), ["My name is Ada", "What is my name?", "hello", "hello again"]
    prices: dict[str, list[float]] = {"a": [], "b": []}
    for text in texts:
        if text == texts[-1]:
            os.kill(int(host.processes()[0]), signal.SIGKILL)
            await until(lambda: not host.processes())
        prices["a"].append((await host.turn(text)).line.usd)
        other = await cold.turn(text, key=session_key("acme", "console", "grace"))
        prices["b"].append(other.line.usd)
    assert prices["a"][1:] == pytest.approx(prices["b"][1:], rel=0.1)


async def test_a_stopped_turn_may_leave_its_process(host: Host) -> None:
    """After the user's stop the CLI is at rest, serves the next turn, and knows of the stop."""
    slow = script({"text": "Working.", "tool": "Bash", "input": {"command": "touch begun; sleep 60"}}, {"text": "x"})
    turn = asyncio.create_task(host.turn(slow))
    await until(lambda: any(host.trees.glob("*/work/begun")))
    (root,) = [path for path in host.trees.iterdir() if path.is_dir()]
    assert await host.agent.interrupt(root)
    assert (await turn).line.stop_reason == "interrupted"
    before = host.processes()
    assert (await host.turn(script({"text": "fine"}))).line.reply == "fine"
    assert host.processes() == before != []


async def test_a_call_that_waits_for_a_person_ends_the_process(world: Universe) -> None:
    """A warm CLI defers a call as a new one does, and is gone while the call waits."""
    host = world.host(ask=("Bash(touch *)",))
    await host.turn("hello")
    before = host.processes()
    turn = await host.turn(script({"tool": "Bash", "input": {"command": "touch it"}}, {"text": "done"}))
    assert turn.line.stop_reason == "tool_deferred"
    assert before != host.processes() == []
    assert not any(host.trees.glob("*/work/it"))


async def test_a_tool_that_goes_on_ends_the_process(host: Host) -> None:
    """What a tool has left running is gone before the commit, and the CLI with it: nothing writes into the tree."""
    left = "(setsid sh -c 'while sleep 0.05; do date >> late; done' > /dev/null 2>&1 &)"
    await host.turn(script({"tool": "Bash", "input": {"command": left}}, {"text": "done"}))
    assert host.processes() == []
    assert gone(str(host.trees), seconds=1)


async def test_nothing_of_a_turn_is_left_in_its_private_places(host: Host) -> None:
    """What tools put into home and temporary folder is gone for the next turn, as it would be in a new process."""
    await host.turn(script({"tool": "Bash", "input": {"command": "touch ~/x $TMPDIR/y"}}, {"text": "done"}))
    assert len(host.processes()) == 1
    assert not [path for place in ("home/x", "tmp/y") for path in host.trees.glob(f"*/{place}")]


async def test_a_failed_turn_leaves_no_process(world: Universe, host: Host) -> None:
    """After an error of the model nothing rests."""
    await host.turn("hello")
    world.model.order(Fail(400, times=9))
    with pytest.raises(AgentFailed):
        await host.turn("My name is Ada")
    assert host.processes() == []


async def test_a_limit_of_money_is_for_one_turn(world: Universe, host: Host) -> None:
    """The CLI counts money from its own start, so with such a limit each turn gets a CLI of its own."""
    spent = (await host.turn("hello")).line.usd
    limited = replace(host.engine, policy=replace(host.engine.policy, quotas=Quotas(max_usd_per_turn=spent)))
    for text in ("My name is Ada", "What is my name?", "hello again"):
        turn = await host.turn(text, engine=limited)
        assert turn.line.stop_reason == "end_turn"
        assert host.processes() == []


async def test_a_limit_of_calls_is_for_one_turn(world: Universe, host: Host) -> None:
    """A process started with a limit of model calls grants each turn as many, and serves no turn with another limit."""
    limited = replace(host.engine, policy=replace(host.engine.policy, quotas=Quotas(max_agent_turns=2)))
    call = {"tool": "Bash", "input": {"command": "true"}}
    turns = [await host.turn(script(call, {"text": str(number)}), engine=limited) for number in range(3)]
    assert [turn.line.stop_reason for turn in turns] == ["end_turn"] * 3
    before = host.processes()
    await host.turn("hello")
    assert host.processes() != before


async def test_the_least_recent_goes(world: Universe) -> None:
    """Above the limit of processes, the session that has rested longest loses its own."""
    host = world.host(processes=1)
    await host.turn("hello")
    before = host.processes()
    await host.turn("hello", key=session_key("acme", "console", "grace"))
    assert len(host.processes()) == 1
    assert host.processes() != before


async def test_another_process_gets_another_tree(host: Host, tmp_path: Path) -> None:
    """While a CLI rests in a tree, a worker beside us works in another one, and so cannot change it."""
    await host.turn("hello")
    beside = DiskWorkspaces(host.trees)
    session_id = (await host.world.head()).session_id
    tree = await beside.open("acme", session_id)
    ours = await host.engine.workspaces.open("acme", session_id)
    assert tree.root.name == f"{ours.root.name}-2"
    await tree.close()
    await ours.close()


async def test_a_tree_is_given_back_when_its_process_goes(host: Host) -> None:
    """When the process dies by itself, anybody may have the tree."""
    await host.turn("hello")
    os.kill(int(host.processes()[0]), signal.SIGKILL)
    await until(lambda: not host.processes())
    await asyncio.sleep(0.3)
    tree = await DiskWorkspaces(host.trees).open("acme", (await host.world.head()).session_id)
    assert not tree.root.name.endswith("-2")
    await tree.close()


async def test_closing_the_agent_leaves_nothing(host: Host) -> None:
    """No process is left when a worker ends in order."""
    await host.turn("hello")
    await host.agent.close()
    assert gone(str(host.trees), seconds=1)


async def test_a_killed_worker_leaves_nothing(tmp_path: Path) -> None:
    """SIGKILL to a worker that keeps a process ends the process."""
    words = [sys.executable, "-c", WORKER, str(tmp_path)]
    worker = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
    assert worker.stdout is not None
    assert await worker.stdout.readline() == b"1\n"
    worker.kill()
    await worker.wait()
    assert gone(str(tmp_path / "a"), seconds=5)


WORKER = """
import asyncio, sys
from pathlib import Path
from tests.e2e.warm_host import universe
async def work():
    async with universe(Path(sys.argv[1])) as made:
        host = made.host()
        await host.turn("hello")
        print(len(host.processes()), flush=True)
        await asyncio.sleep(60)
asyncio.run(work())
"""
