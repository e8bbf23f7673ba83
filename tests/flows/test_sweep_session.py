"""Sweeps of one session: what no kept version needs goes, whatever else happens meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from outlive.errors import Conflict, Corrupt, Invalid, NotFound
from outlive.flows.run_turn import Turn, run_turn
from outlive.flows.sessions.fork_session import fork_session
from outlive.flows.sessions.rewind_session import rewind_session
from outlive.flows.sessions.sweep_session import GRACE, sweep_session
from outlive.flows.turn.find_flushes import find_flushes
from outlive.testing.faults import Crash, CrashAfter, CrashBefore, Plan, at, on
from tests.flows.conftest import COMPLETE, UNFINISHED, Meanwhile


@pytest.fixture
async def session(world) -> str:
    """A session of twelve versions, of which three are kept."""
    world.keep = 3
    for number in range(12):
        turn = await world.say(f"write {number % 3}.txt: {number}")
    return turn.session_id


async def sweep(world, session: str):
    """Sweep with a worker that nothing happens to."""
    return await sweep_session(world.worker("sweeper"), world.stores, session)


async def test_a_sweep_keeps_what_kept_versions_need_and_nothing_else(world, session) -> None:
    """After a sweep the kept versions restore byte for byte, and every pack left is named by one of them."""
    before = world.packs(session)
    swept = await sweep(world, session)
    left = world.packs(session)
    assert set(left) == await world.needed(session) < set(before)
    assert (swept.versions, swept.packs, swept.removed) == (3, len(left), len(before) - len(left))
    await world.check_versions(session)


async def test_a_sweep_says_how_many_bytes_went(world, session) -> None:
    """The bytes a sweep reports are those the object store has less."""
    before = sum(len(data) for data, _ in world.server.blobs.values())
    swept = await sweep(world, session)
    assert before - sum(len(data) for data, _ in world.server.blobs.values()) == swept.removed_bytes > 0


async def test_a_second_sweep_finds_nothing(world, session) -> None:
    """Sweeping twice is sweeping once."""
    await sweep(world, session)
    before = world.everything()
    assert (await sweep(world, session)).removed == 0
    assert world.everything() == before


async def test_a_sweep_takes_no_lease_when_no_turn_was_cut_off(world, session) -> None:
    """A sweep of a session without leftovers writes nothing to the table."""
    before = dict(world.server.rows)
    await sweep(world, session)
    assert world.server.rows == before


async def test_the_session_goes_on_after_a_sweep(world, session) -> None:
    """A warm and a cold worker take the next turns as if nothing had been swept."""
    await sweep(world, session)
    await world.say("warm", worker="w1")
    turn = await world.say("cold", worker="w2")
    assert turn.line.reply == "Message 14: cold"


async def test_swept_versions_are_gone_for_rewind_and_fork(world, session) -> None:
    """A version that retention removed is refused with the range that exists."""
    await sweep(world, session)
    for flow in (rewind_session, fork_session):
        with pytest.raises(Invalid, match="Choose one from 10 to 12"):
            await flow(world.worker(), world.stores, session, version=9)


async def test_a_longer_retention_does_not_judge_what_an_older_sweep_cut(world, session) -> None:
    """After the retention was made longer a sweep removes nothing that it cannot place."""
    await sweep(world, session)
    world.keep = 50
    before = world.packs(session)
    swept = await sweep(world, session)
    assert (swept.removed, world.packs(session)) == (0, before)
    assert swept.versions >= 3


# ------------------------------------------------------------------------------------ while a turn runs


@pytest.mark.promise("P1")
async def test_a_running_turn_loses_none_of_its_flushes(world, session) -> None:
    """A sweep beside a running turn leaves its provisional packs, however old, and the turn commits whole."""
    async with world.running("write new.txt: kept") as turn:
        flushed = set(world.packs(session))
        world.server.blobs = {key: (data, 0.0) for key, (data, _) in world.server.blobs.items()}
        await sweep(world, session)
        assert {name for name in flushed if name.startswith("0000000d")} <= set(world.packs(session))
    assert (await turn).after == 13
    assert (await world.restored(session))["work/new.txt"][1] == b"kept"


@pytest.mark.parametrize("call", ["objects.list", "objects.get", "objects.delete"])
async def test_a_commit_in_the_middle_of_a_sweep_loses_nothing(world, session, call) -> None:
    """Turns that commit, and compact, at any step of a sweep leave every version that is kept then whole."""

    async def commit() -> None:
        for number in range(6):
            await world.say(f"write {number}.txt: meanwhile")

    engine = world.worker("sweeper", Meanwhile(call, commit))
    await sweep_session(engine, engine.stores("acme"), session)
    await world.check_versions(session)


async def test_a_sweep_that_resumes_late_loses_nothing(world, session) -> None:
    """A sweep that hangs before it deletes, while turns, a rewind and another sweep go on, removes nothing needed."""

    async def meanwhile() -> None:
        for number in range(4):
            await world.say(f"write late{number}.txt: x")
        await rewind_session(world.worker(), world.stores, session, 14)
        await world.remember(session)
        await world.say("write after.txt: y")
        await sweep(world, session)

    engine = world.worker("sweeper", Meanwhile("objects.delete", meanwhile))
    await sweep_session(engine, engine.stores("acme"), session)
    await world.check_versions(session)


@pytest.mark.parametrize("version", [5, 8, 10])
@pytest.mark.parametrize("call", ["objects.list", "objects.get", "objects.put", "table.write"])
async def test_a_sweep_in_the_middle_of_a_rewind_loses_nothing(world, session, call, version) -> None:
    """A sweep at any step of a rewind, even by a shorter retention, leaves the session whole, rewound or not."""

    async def swept() -> None:
        world.keep = 1
        await sweep(world, session)

    world.keep = 12
    engine = world.worker("w2", Meanwhile(call, swept))
    try:
        await rewind_session(engine, engine.stores("acme"), session, version)
    except (Corrupt, Invalid):
        expected = world.trees[session, 12]
    else:
        expected = world.trees[session, version]
    tree = await world.restored(session)
    assert {path: content for path, content in tree.items() if path.startswith("work/")} == {
        path: content for path, content in expected.items() if path.startswith("work/")
    }


@pytest.mark.parametrize("call", ["objects.put", "table.write"])
async def test_a_rewind_never_leans_on_a_pack_that_a_sweep_may_take(world, call) -> None:
    """A rewind to a version whose large pack is live no more stands by itself: sweeping that pack harms nothing."""
    session = (await world.say("begin")).session_id
    big = " ".join(map(str, range(30_000)))
    async with world.disk(session) as workspace:
        (workspace.root / "work/big.txt").write_text(big)
    for text in ("look", "delete big.txt", "write a.txt: a"):
        await world.say(text)

    async def swept() -> None:
        world.keep = 1
        assert (await sweep(world, session)).removed_bytes > 10_000

    engine = world.worker("w2", Meanwhile(call, swept))
    await rewind_session(engine, engine.stores("acme"), session, 2)
    assert (await world.restored(session))["work/big.txt"][1] == big.encode()


# ------------------------------------------------------------------------------- what a dead worker left


@pytest.mark.parametrize("rule", [COMPLETE, UNFINISHED], ids=["complete", "unfinished"])
async def test_a_young_leftover_is_kept_for_its_message(world, session, rule) -> None:
    """What a worker flushed before it died is still there for its message when a sweep comes before the grace time."""
    inbound = await world.die(rule)
    await sweep(world, session)
    turn = await run_turn(world.worker("w2"), inbound)
    assert isinstance(turn, Turn)
    assert turn.how in ("adopted", "continued")


@pytest.mark.parametrize("rule", [COMPLETE, UNFINISHED], ids=["complete", "unfinished"])
async def test_an_old_leftover_goes(world, session, rule) -> None:
    """What a dead worker left is removed after the grace time, and its message is then run from the last commit."""
    inbound = await world.die(rule, "write z.txt: z")
    world.clock.advance(GRACE)
    await sweep(world, session)
    assert set(world.packs(session)) == await world.needed(session)
    turn = await run_turn(world.worker("w2"), inbound)
    assert (turn.how, turn.line.reply) == ("ran", "Message 13: write z.txt: z")


async def test_a_leftover_that_was_adopted_is_part_of_its_version(world, session) -> None:
    """Packs of a dead worker's fence that a later commit adopted are kept with their version."""
    inbound = await world.die(COMPLETE, "write kept.txt: k")
    turn = await run_turn(world.worker("w2"), inbound)
    assert turn.how == "adopted"
    await world.remember(session)
    world.clock.advance(GRACE)
    await sweep(world, session)
    await world.check_versions(session)


async def test_an_old_leftover_of_a_settled_version_goes_at_once(world, session) -> None:
    """A pack of a fence that lost its version to another is removed without a wait."""
    await world.die(UNFINISHED)
    await world.say("somebody else's message")
    await sweep(world, session)
    assert set(world.packs(session)) == await world.needed(session)


async def test_a_turn_that_begins_while_leftovers_are_judged_keeps_them(world, session) -> None:
    """When the dead worker's turn is taken up just before the sweep wants the lease, the sweep leaves its packs."""
    inbound = await world.die(COMPLETE, "write kept.txt: k")
    world.clock.advance(GRACE)
    engine = world.worker("sweeper", Meanwhile("table.acquire", lambda: run_turn(world.worker("w2"), inbound)))
    await sweep_session(engine, engine.stores("acme"), session)
    assert (await world.restored(session))["work/kept.txt"][1] == b"k"


async def test_nobody_takes_up_what_a_sweep_is_about_to_delete(world, session) -> None:
    """Once a sweep has settled the dead fences, no later holder finds their packs, even before they are deleted."""
    inbound = await world.die(COMPLETE, "write z.txt: z")
    world.clock.advance(GRACE)
    turns: list[Turn] = []

    async def deliver_again() -> None:
        assert await find_flushes(world.worker(), world.stores, await world.head(session)) == []
        turns.append(await run_turn(world.worker("w2"), inbound))

    engine = world.worker("sweeper", Meanwhile("objects.delete", deliver_again))
    await sweep_session(engine, engine.stores("acme"), session)
    assert [turn.how for turn in turns] == ["ran"]
    assert (await world.restored(session))["work/z.txt"][1] == b"z"


async def test_a_dead_fence_stays_settled_after_another_crash(world, session) -> None:
    """A crash after the sweep settled old fences brings back the new worker's flush and not theirs."""
    inbound = await world.die(COMPLETE, "write z.txt: old")
    world.clock.advance(GRACE)
    engine = world.worker("sweeper", Plan(on("objects.delete", CrashBefore()), clock=world.clock))
    with pytest.raises(Crash):
        await sweep_session(engine, engine.stores("acme"), session)
    with pytest.raises(Crash):
        await run_turn(world.worker("dead", Plan(on("objects.put", CrashBefore()), clock=world.clock)), inbound)
    world.clock.advance(31)
    assert (await run_turn(world.worker("w3"), inbound)).how == "ran"


@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()], ids=["before", "after"])
async def test_a_sweep_may_die_at_any_step(world, session, action) -> None:
    """Whatever step a sweep dies at, every kept version is whole and the next sweep finishes."""
    await world.die(UNFINISHED)
    world.clock.advance(GRACE)
    for number in range(1, 100):
        engine = world.worker("dying", Plan(at(number, action), clock=world.clock))
        try:
            await sweep_session(engine, engine.stores("acme"), session)
            break
        except Crash:
            world.clock.advance(31)
    await world.check_versions(session)
    assert set(world.packs(session)) == await world.needed(session)


# ---------------------------------------------------------------------------------------------- refusals


@pytest.mark.promise("P8")
async def test_a_sweep_that_cannot_read_a_needed_pack_removes_nothing(world, session) -> None:
    """When a pack of a kept version is damaged the sweep names it and removes nothing."""
    name = (await world.head(session)).packs[-1].name
    world.flip(session, name)
    before = world.packs(session)
    with pytest.raises(Corrupt, match=name):
        await sweep(world, session)
    assert world.packs(session) == before


async def test_a_sweep_after_the_newest_pack_was_lost_removes_nothing(world, session) -> None:
    """When the newest version lacks a pack the sweep says so and removes nothing."""
    lost = (await world.head(session)).packs[0].name
    world.lose(session, lost)
    before = world.packs(session)
    with pytest.raises(Corrupt, match=f"{lost} .* is missing"):
        await sweep(world, session)
    assert world.packs(session) == before


async def test_what_lies_before_a_lost_pack_is_left_for_a_backup(world, session) -> None:
    """When a kept version has lost its pack, older packs stay: restoring the one makes the others useful again."""
    world.keep = 50
    world.lose(session, world.packs(session)[5])
    before = world.packs(session)
    await sweep(world, session)
    assert world.packs(session) == before


async def test_an_unknown_session_cannot_be_swept(world) -> None:
    """A session id nobody has is not found."""
    with pytest.raises(NotFound):
        await sweep(world, "f" * 32)


async def test_a_session_without_a_turn_is_swept_without_effect(world) -> None:
    """An empty session has nothing to sweep."""
    assert (await sweep(world, await world.start_anew())).versions == 0


async def test_two_sweeps_at_once_do_the_work_of_one(world, session) -> None:
    """Two sweeps of one session at the same time end as one would have."""
    await world.die(UNFINISHED)
    world.clock.advance(GRACE)
    try:
        await asyncio.gather(sweep(world, session), sweep(world, session))
    except Conflict:
        pytest.fail("a sweep steps aside")
    await world.check_versions(session)
    assert set(world.packs(session)) == await world.needed(session)
