"""Tasks: found by the caller's own id from the moment the agent's session is known, and gone on with anywhere."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from outlive.core.keys import session_key
from outlive.core.messages import Inbound
from outlive.core.sessions import SESSION_TTL
from outlive.core.tasks import Task
from outlive.errors import AgentFailed, Conflict, Invalid, NotFound
from outlive.flows.run_turn import Turn, run_turn
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.sessions.find_tasks import find_task, list_tasks
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.protocols import TextPart
from outlive.testing.faults import Crash, CrashBefore, LostReply, Plan, on
from outlive.testing.instant_agent import InstantAgent
from tests.agents.watching import until
from tests.engine.conftest import World


def message(world: World, text: str, task_id: str = "job-7") -> Inbound:
    """A message that is part of a task."""
    return replace(world.message(text), task_id=task_id)


async def task_of(world: World, task_id: str = "job-7") -> Task:
    """The record."""
    return await find_task(world.observer, world.observer.stores("acme"), task_id)


async def test_a_turn_updates_its_task(world) -> None:
    """After a turn its task is done, and names the session, the agent's session, the message and the worker."""
    turn = await run_turn(world.worker("w1"), message(world, "one"))
    assert isinstance(turn, Turn)
    task = await task_of(world)
    assert (task.state, task.session_id, task.message_id, task.worker) == ("done", turn.session_id, "one", "w1")
    assert task.agent_session_id == turn.line.agent_session_id


async def test_a_message_without_a_task_costs_nothing(world) -> None:
    """A task costs one read and two writes; a message without an id costs none of them."""
    engine = world.worker("w1")
    await world.turn(engine, "one")
    costs = []
    for inbound in (world.message("two"), message(world, "three")):
        before = world.counts.copy()
        await run_turn(engine, inbound)
        costs.append(((world.counts - before).table_reads, (world.counts - before).table_writes))
    assert costs == [(1, 3), (2, 5)]


async def test_a_killed_workers_task_is_gone_on_with(world) -> None:
    """A worker killed after the id was seen leaves a running task with the agent's session; another one finishes it."""

    async def until_flushed(event) -> None:
        await world._pace(event)
        if isinstance(event, TextPart):
            await until(lambda: any("/packs/" in key for key in world.server.blobs))

    plan = Plan(on("agent.run", CrashBefore(), nth=3), clock=world.clock)
    with suppress(Crash):
        await run_turn(world.worker("w1", plan), message(world, "write a.txt: x"), on_event=until_flushed)
    left = await task_of(world)
    assert (left.state, left.worker) == ("running", "w1")
    assert left.agent_session_id is not None
    await world.clock.let_pass(31)
    turn = await run_turn(world.worker("w2"), message(world, "write a.txt: x"))
    task = await task_of(world)
    assert (task.state, task.worker, task.agent_session_id) == ("done", "w2", left.agent_session_id)
    assert (turn.line.agent_session_id, task.created_at) == (left.agent_session_id, left.created_at)


async def test_a_failed_turn_is_a_failed_task(world) -> None:
    """A turn that fails says so in its task, with the reason."""

    class Failing(InstantAgent):
        async def run(self, turn):
            raise AgentFailed("the model is down")
            yield

    world.agent = Failing()
    with pytest.raises(AgentFailed):
        await run_turn(world.worker("w1"), message(world, "one"))
    task = await task_of(world)
    assert (task.state, task.reason, task.agent_session_id) == ("failed", "the model is down", None)


async def test_a_stopped_worker_hands_its_task_over(world) -> None:
    """A turn that is cancelled, as on SIGTERM, leaves its task handed over."""

    class Stuck(InstantAgent):
        async def run(self, turn):
            async for event in super().run(turn):
                yield event
                await asyncio.Future()

    world.agent = Stuck()
    running = asyncio.create_task(run_turn(world.worker("w1"), message(world, "one")))
    await asyncio.sleep(0.2)  # real: blocking file work is done on threads
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert (await task_of(world)).state == "handed over"


async def test_a_task_belongs_to_one_session(world) -> None:
    """A task id that another session has is refused before anything is run."""
    await run_turn(world.worker("w1"), message(world, "one"))
    other = replace(message(world, "two"), key=session_key("acme", "console", "grace"))
    with pytest.raises(Conflict, match="belongs to session acme:console:ada"):
        await run_turn(world.worker("w1"), other)
    assert len(world.agent.runs) == 1


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
async def test_a_lost_reply_leaves_the_task_right(world, nth) -> None:
    """Whichever write of the turn loses its reply, the task is done in the end."""
    await world.turn(world.worker("w1"), "first")
    plan = Plan(on("table.write", LostReply(), nth=nth), clock=world.clock)
    await run_turn(world.worker("w1", plan), message(world, "one"))
    assert (await task_of(world)).state == "done"


async def test_a_repeat_mends_what_a_crash_left(world) -> None:
    """A worker that dies between commit and task leaves it running; the message's next delivery makes it done."""
    plan = Plan(on("table.write", CrashBefore(), nth=5), clock=world.clock)
    with suppress(Crash):
        await run_turn(world.worker("w1", plan), message(world, "one"))
    assert ((await world.head()).version, (await task_of(world)).state) == (1, "running")
    await world.clock.let_pass(31)
    assert (await run_turn(world.worker("w2"), message(world, "one"))).how == "repeat"
    assert (await task_of(world)).state == "done"


async def test_tasks_are_listed_page_by_page(world) -> None:
    """Pages of tasks come in order of their ids, strange ones too, and end with an empty one."""
    for number in (2, 0, 1):
        await run_turn(world.worker("w1"), message(world, f"m{number}", f"job/{number}"))
    engine, stores, after, found = world.observer, world.observer.stores("acme"), "", []
    while (page := await list_tasks(engine, stores, after=after, limit=2)).after:
        found += [task.task_id for task in page.tasks]
        after = page.after
    assert found == ["job/0", "job/1", "job/2"]


async def test_an_erased_session_has_no_tasks(world) -> None:
    """Erasing a session removes its tasks, says how many, and leaves those of other sessions."""
    turn = await run_turn(world.worker("w1"), message(world, "one"))
    other = replace(message(world, "two", "job-8"), key=session_key("acme", "console", "grace"))
    await run_turn(world.worker("w1"), other)
    receipt = await erase_session(world.observer, world.observer.stores("acme"), turn.session_id)
    assert {tier.name: (tier.found, tier.left) for tier in receipt.tiers}["tasks"] == (1, 0)
    with pytest.raises(NotFound):
        await task_of(world)
    assert (await task_of(world, "job-8")).state == "done"


async def test_a_task_ends_with_its_time(world) -> None:
    """A task whose time is over is not found, and a sweep removes its record."""
    await run_turn(world.worker("w1"), message(world, "one"))
    world.clock.advance(SESSION_TTL + 7200)
    with pytest.raises(NotFound):
        await task_of(world)
    assert not (await list_tasks(world.observer, world.observer.stores("acme"))).tasks
    await sweep_tenant(world.observer, world.observer.stores("acme"))
    assert not [key for key in world.server.rows if "/tasks/" in key]


@pytest.mark.parametrize("task_id", ["a\nb", "x" * 257])
async def test_a_task_id_is_checked(world, task_id) -> None:
    """A task id that is too long or has a control character is refused by name."""
    with pytest.raises(Invalid, match="task_id"):
        await run_turn(world.worker("w1"), message(world, "one", task_id))
