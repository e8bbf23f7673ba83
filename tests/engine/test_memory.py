"""The memory folder, shared by the sessions of a tenant and profile, whoever works where."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from outlive.core.keys import session_key
from outlive.core.memories import FOLDER
from outlive.errors import OutliveError
from outlive.flows.run_turn import Turn, run_turn
from outlive.flows.sessions.erase_many import erase_tenant
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.testing.faults import Crash, CrashAfter, CrashBefore, ErrorBefore, LostReply, Pass, Plan, at, on
from outlive.testing.instant_agent import InstantAgent
from tests.engine.conftest import World

ADA, GRACE = (session_key("acme", "console", name) for name in ("ada", "grace"))


class Noting(InstantAgent):
    """`write` and `delete` name files of the memory folder."""

    def _obey(self, work, prompt):
        return super()._obey(work.parent / FOLDER, prompt)


@pytest.fixture
def world(world: World) -> World:
    """An empty universe whose agents take notes."""
    world.agent = Noting()
    return world


async def say(world: World, key, text: str, name: str = "w1", plan: Plan | None = None, **more) -> Turn:
    """A turn of one of the sessions, by default on one host; its text is made unique."""
    engine = world.worker(name, plan, memory=True)
    turn = await run_turn(engine, replace(world.message(text, f"{key}{text}"), key=key), **more)
    assert isinstance(turn, Turn)
    return turn


async def memory(world: World, key=GRACE, name: str = "w2") -> dict[str, str]:
    """What a session sees in its next turn."""
    await say(world, key, f"look {world.clock.now()}", name)
    world.clock.advance(1)
    folder = world.agent.runs[-1].root / FOLDER
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def stored(world: World) -> list[str]:
    """The stored contents."""
    return [key for key in world.server.blobs if "/memory/" in key]


async def test_what_one_session_notes_another_one_knows(world) -> None:
    """A file written into the memory folder is there in the next turn of another session on another host."""
    await say(world, ADA, "write MEMORY.md: - likes tea")
    await say(world, ADA, "write deep/more.md: much")
    assert await memory(world) == {"MEMORY.md": "- likes tea", "deep/more.md": "much"}


async def test_a_change_and_a_deletion_reach_a_warm_session(world) -> None:
    """A session that already had a copy gets the newer content, and loses what another one deleted."""
    await say(world, ADA, "write a.md: one")
    await say(world, ADA, "write b.md: one")
    assert len(await memory(world)) == 2
    await say(world, ADA, "write a.md: two")
    await say(world, ADA, "delete b.md")
    assert await memory(world) == {"a.md": "two"}
    assert len(stored(world)) == 1


async def _both(world, mine: str, theirs: str) -> None:
    """Two sessions change the memory at the same time: one begins, the other does its turn, the first one ends."""

    async def other(event) -> None:
        if not done:
            done.append(await say(world, GRACE, theirs, "w2"))

    done: list[Turn] = []
    await say(world, ADA, mine, on_event=other)


async def test_different_files_are_both_kept(world) -> None:
    """Two sessions that change different files at the same time lose nothing."""
    await _both(world, "write a.md: ada", "write b.md: grace")
    assert await memory(world) == {"a.md": "ada", "b.md": "grace"}


async def test_of_the_same_file_the_last_one_wins_beside_the_other(world) -> None:
    """Of one file that two sessions change, the later content counts, and the other is kept beside it."""
    await say(world, ADA, "write a.md: start")
    await _both(world, "write a.md: ada", "write a.md: grace")
    found = await memory(world)
    assert found.pop("a.md") == "ada"
    ((name, content),) = found.items()
    assert (name.startswith("a.conflict-"), content) == (True, "grace")
    assert await memory(world, ADA, "w1") == {"a.md": "ada", name: "grace"}


async def test_the_lines_of_the_index_are_joined(world) -> None:
    """Lines that two sessions add to MEMORY.md at the same time are both there, for both, also later."""
    await _both(world, "write MEMORY.md: - ada", "write MEMORY.md: - grace")
    assert await memory(world) == {"MEMORY.md": "- grace\n- ada\n"}
    await say(world, GRACE, "write MEMORY.md: - only this", "w2")
    assert await memory(world, ADA, "w1") == {"MEMORY.md": "- only this"}


async def test_tenants_and_profiles_share_nothing(world) -> None:
    """Neither another tenant nor another profile sees the notes."""
    await say(world, ADA, "write a.md: secret")
    assert await memory(world, session_key("other", "console", "ada"), "w2") == {}
    engine = world.worker("w3", memory=True)
    other = replace(world.message("look"), key=session_key("acme", "console", "eve"))
    await run_turn(engine, other, profile="support")
    assert not (world.agent.runs[-1].root / FOLDER).exists()


@pytest.mark.parametrize("switch", [False, True])
async def test_memory_costs_what_it_says(world, switch) -> None:
    """Off, a turn asks the stores for nothing more; on, one read, and one write and object when something changed."""
    costs = []
    for text in ("one", "two", "write a.md: x"):
        before = world.counts.copy()
        await run_turn(world.worker("w1", memory=switch), world.message(text))
        spent = world.counts - before
        costs.append((spent.table_reads, spent.table_writes, spent.objects_put, spent.objects_get))
    extra = (1, 1, 1, 0) if switch else (0, 0, 0, 0)
    assert costs[1] == (1 + switch, 3, 1, 0)
    assert costs[2] == tuple(a + b for a, b in zip((1, 3, 1, 0), extra, strict=True))


@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter(), ErrorBefore(), LostReply()])
async def test_a_worker_may_die_at_any_step_of_it(new_world, action) -> None:
    """Whatever call fails or kills the worker, the note is shared in the end, once, and no conflict is made up."""
    for number in range(1, 200):
        world = new_world()
        world.agent = Noting()
        await say(world, ADA, "write a.md: one")
        plan = Plan(at(number, action), clock=world.clock)
        with suppress(Crash, OutliveError):
            await say(world, ADA, "write a.md: two", "w1", plan, on_event=world._pace)
        await world.clock.let_pass(31)
        await say(world, ADA, "write a.md: two", "w2")
        await say(world, ADA, "and now", "w3")
        assert await memory(world) == {"a.md": "two"}, f"step {number}"
        if plan.dead is None and len(plan.steps) < number:
            return
    pytest.fail("the turn never ended")


async def test_a_table_that_fails_behind_the_commit_fails_no_turn(world) -> None:
    """When the notes cannot be shared the turn counts all the same, says so, and the next turn shares them."""
    await say(world, ADA, "hello")
    plan = Plan(
        lambda step: ErrorBefore() if step.name == "objects.put" and step.nth > 1 else Pass(), clock=world.clock
    )
    turn = await say(world, ADA, "write a.md: x", "w1", plan)
    assert turn.trace.steps[-3].found.startswith("left for the next turn to share")
    await say(world, ADA, "and now")
    assert await memory(world) == {"a.md": "x"}


async def test_many_sessions_at_once_lose_no_note(world) -> None:
    """Eight sessions that each note something at the same time end with all eight notes."""
    keys = [session_key("acme", "console", f"user-{number}") for number in range(8)]
    await asyncio.gather(*(say(world, key, f"write n{i}.md: {i}", f"h{i}") for i, key in enumerate(keys)))
    assert await memory(world) == {f"n{number}.md": str(number) for number in range(8)}


async def test_what_is_too_large_stays_in_its_session(world) -> None:
    """A file over the limit is not shared, the trace names it, and the other files are."""
    world.agent = Noting()
    turn = await say(world, ADA, "write a.md: x")
    big = world.agent.runs[-1].root / FOLDER / "big.md"
    big.write_bytes(b"x" * 300_000)
    turn = await say(world, ADA, "write b.md: y")
    assert turn.trace.steps[-3].found == "1 file shared; left out: big.md"
    assert await memory(world) == {"a.md": "x", "b.md": "y"}


async def test_an_erased_tenant_remembers_nothing(world) -> None:
    """Erasing a tenant removes record and contents."""
    await say(world, ADA, "write a.md: x")
    receipt = await erase_tenant(world.observer, world.observer.stores("acme"))
    assert receipt.complete
    assert not stored(world)
    assert await memory(world) == {}


async def test_a_sweep_removes_contents_that_nobody_names(world) -> None:
    """What a worker that died left stored is removed by a sweep once it is old, and what is named stays."""
    await say(world, ADA, "write a.md: x")
    plan = Plan(on("table.write", CrashBefore(), nth=2), clock=world.clock)
    with suppress(Crash):
        await say(world, ADA, "write b.md: y", "w1", plan)
    assert len(stored(world)) == 2
    world.clock.advance(7200)
    await sweep_tenant(world.observer, world.observer.stores("acme"))
    assert len(stored(world)) == 1
    assert await memory(world) == {"a.md": "x"}
