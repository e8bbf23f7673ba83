"""Hosts with a window of a long session: what they commit is the whole, and what they read does not grow with it."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from dataclasses import replace

import pytest

from outlive.core.keys import session_key
from outlive.errors import OutliveError, Unavailable
from outlive.flows.run_turn import run_turn
from outlive.flows.sessions.fork_session import fork_session
from outlive.flows.sessions.rewind_session import rewind_session
from outlive.testing.faults import Crash, CrashAfter, CrashBefore, Plan, at
from tests.engine.compacting import COMPACT, CompactingAgent
from tests.engine.conftest import World

WORDS = [f"{random.Random(number).randrange(10**8):x}" for number in range(3000)]
MOST_STEPS = 400


def text(number: int, words: int = 150) -> str:
    """A message that does not compress to nothing."""
    drawn = random.Random(number)
    return f"turn {number}: " + " ".join(drawn.choice(WORDS) for _ in range(words))


@pytest.fixture
def world(tmp_path) -> World:
    """A universe whose agent compacts."""
    return compacting(World(tmp_path))


def compacting(world: World) -> World:
    """The universe with the agent that compacts."""
    world.agent = CompactingAgent()
    return world


async def say(world: World, engine, *texts: str) -> list[str]:
    """Turns on one worker, and how each tree came there."""
    found = []
    for each in texts:
        turn = await world.turn(engine, each, f"{each[:20]} {len(world.agent.runs)}")
        found.append(next(step.found for step in turn.trace.steps if step.name == "hydrate"))
        world.clock.advance(240)
    return found


async def stored(world: World) -> bytes:
    """The transcript as it lies in the packs."""
    head = await world.head()
    return await world.file(f"config/projects/session/{head.agent_session_id}.jsonl") or b""


async def is_whole(world: World) -> bool:
    """Whether the stored transcript has every byte that the agent ever wrote, in order."""
    return await stored(world) == world.agent.written[(await world.head()).agent_session_id]


@pytest.mark.promise("P1")
@pytest.mark.parametrize("seed", range(2))
async def test_any_hosts_in_any_order_keep_every_byte(world, seed) -> None:
    """Whether turns run on new, lagging or resting machines, with windows or whole, nothing is lost or doubled."""
    drawn = random.Random(seed)
    for number in range(40):
        told = COMPACT if drawn.random() < 0.15 else f"large f{number}" if drawn.random() < 0.2 else text(number)
        name, mode = drawn.choice(["a", "b", f"new{number}"]), drawn.choice(["window", "window", "full"])
        await say(world, world.worker(name, hydration=mode), told)
        assert await is_whole(world)


async def test_a_host_gets_what_follows_the_last_compaction(world) -> None:
    """A new host has the kept message and what follows on its disk, and less than half of the transcript."""
    await say(world, world.worker("a"), *map(text, range(30)), COMPACT, text(31))
    (how,) = await say(world, world.worker("b"), text(32))
    assert "restored (window, " in how
    assert world.agent.found[-1] * 2 < len(await stored(world))
    assert await is_whole(world)


async def test_without_a_compaction_all_is_restored(world) -> None:
    """The trace names the reason for a whole tree: nothing was compacted, or the setting says so."""
    await say(world, world.worker("a"), text(1))
    assert "restored (no compaction to start from)" in (await say(world, world.worker("b"), text(2)))[0]
    await say(world, world.worker("a"), COMPACT)
    assert "restored (hydration=full)" in (await say(world, world.worker("c", hydration="full"), text(3)))[0]


async def test_a_machine_with_a_window_is_warm(world) -> None:
    """The next turn on it downloads nothing, and after turns elsewhere it gets what it lacks."""
    await say(world, world.worker("a"), *map(text, range(20)), COMPACT)
    first, second = await say(world, world.worker("b"), text(21), text(22))
    assert "window" in first
    assert second.startswith("up to date")
    await say(world, world.worker("c"), text(23))
    assert (await say(world, world.worker("b"), text(24)))[0].startswith("caught up")
    assert await is_whole(world)


async def test_a_machine_with_a_window_can_be_told_to_have_all(world) -> None:
    """With `hydration=full` a window that is at the head's version is replaced by the whole."""
    await say(world, world.worker("a"), *map(text, range(20)), COMPACT)
    await say(world, world.worker("b"), text(21))
    assert "hydration=full" in (await say(world, world.worker("b", hydration="full"), text(22)))[0]
    assert world.agent.found[-1] > 20_000


async def test_a_kept_message_that_is_not_there_means_all(world) -> None:
    """When a compaction keeps a message that nobody finds, later hosts get everything, and say why."""
    world.agent.new_uuid = iter([f"{n:08x}-0000-4000-8000-{n:012x}" for n in range(99)]).__next__
    await say(world, world.worker("a"), text(1))
    compact = world.agent._compact
    world.agent._compact = lambda path, entries: compact(path, [*entries, entries[-1] | {"uuid": "gone"}])
    await say(world, world.worker("a"), COMPACT)
    assert "no compaction to start from" in (await say(world, world.worker("b"), text(2)))[0]


@pytest.mark.promise("P1")
@pytest.mark.promise("P5")
@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()], ids=["before", "after"])
@pytest.mark.parametrize("told", [text(9, 5), COMPACT], ids=["text", "compact"])
async def test_a_worker_with_a_window_may_die_at_any_step(new_world, action, told) -> None:
    """Whatever step it dies at, the next host, on the same window, ends the turn once, and no byte is lost."""
    for number in range(1, MOST_STEPS, 3):
        world = compacting(new_world())
        await say(world, world.worker("w1"), *map(text, range(5)), COMPACT)
        plan = Plan(at(number, action), clock=world.clock)
        with suppress(Crash, OutliveError):
            await world.turn(world.worker("w2", plan), told, "last", paced=True)
        await world.clock.let_pass(31)
        await world.turn(world.worker("w3"), told, "last")
        await _check_chain(world)
        if plan.dead is None:
            break
    assert number > 20


async def _check_chain(world: World) -> None:
    assert [answer for answer in await world.answers() if answer == "last"] == ["last"]
    entries = [entry for line in (await stored(world)).splitlines() if "uuid" in (entry := json.loads(line))]
    known = {entry["uuid"] for entry in entries}
    assert len(known) == len(entries)
    assert {entry["parentUuid"] for entry in entries} <= {None, *known}
    assert sum(entry["type"] == "assistant" for entry in entries) == 7


async def test_a_side_file_is_brought_when_it_is_named(world) -> None:
    """A large output from before the compaction stays in its pack until a message names it."""
    await say(world, world.worker("a"), "large beef", *map(text, range(9)), COMPACT, text(10))
    await say(world, world.worker("b"), text(11))
    assert not _outputs(world)
    (how,) = await say(world, world.worker("b"), "what is in beef.txt?")
    assert how.startswith("caught up")
    assert _outputs(world) == ["beef.txt"]
    assert await is_whole(world)


def _outputs(world: World) -> list[str]:
    return [path.name for path in world.agent.runs[-1].root.rglob("tool-results/*")]


async def test_a_side_file_that_was_left_out_is_not_deleted(world) -> None:
    """A commit from a host without it keeps it: a host with everything has it again."""
    await say(world, world.worker("a"), "large beef", *map(text, range(9)), COMPACT, text(10))
    await say(world, world.worker("b"), text(11), text(12))
    await say(world, world.worker("c", hydration="full"), text(13))
    assert _outputs(world) == ["beef.txt"]


async def test_a_transcript_written_anew_keeps_its_history(world) -> None:
    """When an agent drops a line of the window it had, what was left in the packs stays in front of it."""
    await say(world, world.worker("a"), *map(text, range(9)), COMPACT, text(10), text(11))
    before, compact = await stored(world), b'"subtype":"compact_boundary"'
    world.agent._note = _drop_second_line_from_the_end
    await say(world, world.worker("b"), text(12))
    after = await stored(world)
    boundary = before.index(compact)
    assert after[:boundary] == before[:boundary]
    assert len(after) > boundary


def _drop_second_line_from_the_end(path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if b"last-prompt" in line and n > 4)
    path.write_bytes(b"".join(lines[:at] + lines[at + 1 :]))


async def test_a_window_that_was_overwritten_is_not_committed(world) -> None:
    """When an agent writes something else in its place, the turn fails by name, and nothing of it counts."""
    await say(world, world.worker("a"), *map(text, range(9)), COMPACT)
    world.agent._note = lambda path: path.write_bytes(b"{}\n" * 2000)
    with pytest.raises(Unavailable, match="written anew"):
        await say(world, world.worker("b"), text(12))
    assert (await world.head()).version == 10


async def test_an_old_message_is_found_without_the_ledger_on_disk(world) -> None:
    """A repeat that the head no longer knows is answered from the stored ledger, on a host that has its end only."""
    world.clock.advance(10)
    await world.turn(world.worker("a"), "first", "m0")
    sent = world.clock.now()
    for number in range(70):
        await world.turn(world.worker("a"), COMPACT if number == 60 else text(number, 3), f"n{number}")
    message = replace(world.message("first", "m0"), sent_at=sent)
    turn = await run_turn(world.worker("b"), message)
    assert turn.how == "repeat"


async def test_rewind_and_fork_have_everything(world) -> None:
    """A rewind behind the compaction, made and run with windows, has the old bytes; a fork resumes with a window."""
    await say(world, world.worker("a"), *map(text, range(9)), COMPACT, text(10))
    engine, before = world.worker("b"), await stored(world)
    await say(world, engine, text(11))
    stores, head = engine.stores("acme"), await world.head()
    fork = await fork_session(engine, stores, head.session_id, key=session_key("acme", "console", "fork"))
    await rewind_session(engine, stores, head.session_id, 9)
    await say(world, world.worker("c"), text(12))
    assert before.startswith((await stored(world))[:10_000])
    assert b"compact_boundary" not in await stored(world)
    assert fork.session_id != head.session_id


async def test_a_cold_start_depends_on_the_window(world) -> None:
    """After 180 turns with a compaction every 20 a cold start reads at most 4 objects, and no more than after 60."""
    read = []
    worker = world.worker("a")
    for number in range(180):
        await say(world, worker, COMPACT if number % 20 == 19 else text(number, 60))
        if number % 20 == 5 and number > 50:
            before = world.counts.copy()
            await say(world, world.worker(f"cold{number}"), text(number, 60))
            spent = world.counts - before
            read.append((spent.objects_get, spent.received["objects.get"]))
    assert max(requests for requests, _ in read) <= 4
    early, late = (max(size for _, size in part) for part in (read[:3], read[-3:]))
    assert late <= 1.2 * early
    assert await is_whole(world)
