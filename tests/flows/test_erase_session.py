"""One session erased."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from outlive.core.keys import SessionId, mapping_key, session_key
from outlive.errors import Conflict, LeaseLost, Unavailable
from outlive.flows.run_turn import run_turn
from outlive.flows.sessions.create_session import free_mapping
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.sessions.fork_session import fork_session
from outlive.flows.sessions.list_sessions import list_sessions
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.flows.turn.find_session import point_key
from outlive.testing.faults import Crash, CrashAfter, CrashBefore, ErrorBefore, LostReply, Plan, at, every, on
from tests.flows.conftest import KEY, Meanwhile

LEASE = 30.0
PHONE = session_key("acme", "telegram", "42")


@pytest.fixture
async def session(world) -> str:
    """A session of three versions with a leftover of a dead worker, reached by two keys."""
    for text in ("write a.txt: one", "write b.txt: two", "write secret.txt: three"):
        turn = await world.say(text)
    await world.die(on("objects.put", CrashBefore(), nth=2))
    await point_key(world.worker(), world.stores, PHONE, SessionId(turn.session_id), None)
    return turn.session_id


async def erase(world, session: str, **options):
    """Erase with the worker that ran the turns."""
    return await erase_session(world.worker("w1"), world.stores, session, **options)


def traces(world, session: str) -> list[str]:
    """Every row and object that has anything to do with the session."""
    rows = [key for key, row in world.server.rows.items() if session in key or session.encode() in row.body]
    return rows + [key for key in world.server.blobs if session in key]


@pytest.mark.promise("P10")
async def test_an_erase_leaves_no_trace(world, session) -> None:
    """After an erase no record and no object names the session, and nothing of its tree is on the worker's disk."""
    await erase(world, session)
    assert traces(world, session) == []
    async with world.disk(session) as workspace:
        assert await workspace.scan() == []


async def test_a_receipt_counts_what_was_there_and_what_is_left(world, session) -> None:
    """The receipt has each tier with what was found, in numbers and bytes, and nothing left."""
    packs = world.packs(session)
    size = sum(len(data) for key, (data, _) in world.server.blobs.items() if session in key)
    receipt = await erase(world, session)
    found = {tier.name: tier.found for tier in receipt.tiers}
    stored = {"mappings": 2, "tasks": 0, "packs": len(packs), "messages": 0, "records": 0, "heads": 1}
    assert found == stored | {"debug logs": 0, "traces": 0, "archived conversations": 0, "files on this machine": 5}
    assert {tier.left for tier in receipt.tiers} == {0}
    assert next(tier.bytes for tier in receipt.tiers if tier.name == "packs") == size
    assert (receipt.complete, receipt.erased) == (True, (session,))
    assert "queue" in receipt.not_covered[0]


async def test_erasing_twice_is_erasing_once(world, session) -> None:
    """A second erase finds nothing, and is complete."""
    await erase(world, session)
    receipt = await erase(world, session)
    assert receipt.complete
    assert {tier.found for tier in receipt.tiers} == {0}


async def test_an_erase_touches_no_other_session(world, session) -> None:
    """Other sessions, a fork of the erased one among them, are untouched."""
    other = await world.say("mine", key=session_key("acme", "console", "bob"))
    forked = await fork_session(world.worker(), world.stores, session)
    before = await world.restored(other.session_id), await world.restored(forked.session_id)
    await erase(world, session)
    assert (await world.restored(other.session_id), await world.restored(forked.session_id)) == before


async def test_the_next_message_starts_a_new_session(world, session) -> None:
    """A message to an erased session's key is the first of a new one."""
    await erase(world, session)
    turn = await world.say("hello")
    assert (turn.line.turn, turn.line.reply) == (1, "Message 1: hello")
    assert turn.session_id != session


async def test_an_expired_session_can_be_erased(world, session) -> None:
    """A session whose time is over is erased like any other."""
    world.clock.advance(30 * 86400)
    assert (await erase(world, session)).complete
    assert traces(world, session) == []


async def test_a_session_with_a_damaged_head_can_be_erased(world, session) -> None:
    """A head that cannot be read does not keep the rest from being removed, nor itself."""
    row = world.row(session)
    world.server.rows[row.key] = replace(row, body=b"{")
    assert (await erase(world, session)).complete
    assert traces(world, session) == []


# ----------------------------------------------------------------------------------------- a running turn


async def test_a_running_turn_is_not_erased_away(world, session) -> None:
    """While a turn runs an erase is refused with what to do, and nothing has gone."""
    async with world.running() as turn:
        with pytest.raises(Conflict, match="--force"):
            await erase(world, session)
    assert (await turn).after == 4


async def erase_by_force(world, session: str):
    """A forced erase; time passes only while it waits for the worker to notice."""
    erasing = asyncio.create_task(erase(world, session, force=True))
    while not erasing.done():
        await asyncio.sleep(0.005)
        world.clock.advance(1 if LEASE in world.clock.asked else 0)
    return await erasing


@pytest.mark.promise("P10")
async def test_force_wins_over_a_running_turn(world, session) -> None:
    """A forced erase stops the turn, waits until it has stored its last bytes, and leaves nothing behind."""
    async with world.running() as turn:
        receipt = await erase_by_force(world, session)
    assert isinstance(turn.exception(), LeaseLost)
    assert (receipt.complete, traces(world, session)) == (True, [])


@pytest.mark.promise("P4")
async def test_a_turn_that_was_forced_off_cannot_commit(world, session) -> None:
    """The commit of a turn whose session was erased by force fails, even when the worker has not noticed yet."""
    inbound = world.inbound("takes long")

    async def erased() -> None:
        erasing = asyncio.create_task(erase(world, session, force=True))
        while not erasing.done():
            world.clock.advance(1)  # less than a renewal: the worker hangs
            await asyncio.sleep(0)

    engine = world.worker("slow", Meanwhile("table.write", erased))
    with pytest.raises(Conflict):
        await run_turn(engine, inbound)
    assert not [key for key in world.rows() if session in key]


async def test_a_sweep_removes_what_a_hanging_worker_wrote_after_the_erase(world, session) -> None:
    """A pack that a hanging worker stored after a forced erase belongs to nobody, and the next sweep removes it."""
    await erase(world, session)
    world.server.blobs[f"acme/sessions/{session}/packs/00000005-00000005-0001"] = (b"late", world.clock.now())
    world.clock.advance(3600)
    swept = await sweep_tenant(world.worker(), world.stores)
    assert (swept.headless, traces(world, session)) == ([session], [])


# ------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()], ids=["before", "after"])
async def test_an_erase_may_die_at_any_step(world, action) -> None:
    """Whatever step an erase dies at, the session is untouched or already gone for everybody, and a second finishes."""
    for number in range(1, 100):
        turn = await world.say("write a.txt: x", key=(key := session_key("acme", "console", f"chat{number}")))
        engine = world.worker("w1", Plan(at(number, action), clock=world.clock))
        try:
            await erase_session(engine, engine.stores("acme"), SessionId(turn.session_id))
        except Crash:
            world.clock.advance(31)
        else:
            break
        page = await list_sessions(world.worker(), world.stores)
        if turn.session_id in [line.session_id for line in page.sessions]:
            assert await world.restored(turn.session_id) == world.trees[turn.session_id, 1]
        else:
            assert (await world.say("again", key=key)).session_id != turn.session_id
        assert (await erase(world, turn.session_id)).complete
        assert traces(world, turn.session_id) == []
    assert number > 10


@pytest.mark.promise("P10")
@pytest.mark.parametrize("number", range(5, 12))
async def test_a_sweep_finishes_an_erase_that_was_cut_off(world, session, number) -> None:
    """Once an erase has begun to remove anything, a sweep completes it without being asked."""
    engine = world.worker("w1", Plan(at(number, CrashAfter()), clock=world.clock))
    with pytest.raises(Crash):
        await erase_session(engine, engine.stores("acme"), SessionId(session))
    begun = (await world.head(session)).packs == ()
    world.clock.advance(3700)
    swept = await sweep_tenant(world.worker(), world.stores)
    assert (traces(world, session) == []) is (session in swept.expired) is begun


async def test_an_erase_that_cannot_delete_says_so_and_can_be_repeated(world, session) -> None:
    """When the object store refuses, the erase fails, gives the lease back, and works later."""
    engine = world.worker("w1", Plan(every("objects.delete", ErrorBefore()), clock=world.clock))
    with pytest.raises(Unavailable):
        await erase_session(engine, engine.stores("acme"), SessionId(session))
    assert world.row(session).owner is None
    assert (await erase(world, session)).complete


@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_unanswered_deletes_are_found_done(world, session, nth) -> None:
    """A mapping or head that was deleted without an answer is found gone, and the erase succeeds."""
    engine = world.worker("w1", Plan(on("table.delete", LostReply(), nth=nth), clock=world.clock))
    receipt = await erase_session(engine, engine.stores("acme"), SessionId(session))
    assert (receipt.complete, traces(world, session)) == (True, [])


async def test_a_key_pointed_at_it_meanwhile_goes_too(world, session) -> None:
    """A key that somebody points at the session while it is being erased is removed in a further round."""
    late = session_key("acme", "console", "late")

    async def point() -> None:
        await point_key(world.worker(), world.stores, late, SessionId(session), None)

    engine = world.worker("w1", Meanwhile("objects.delete", point))
    receipt = await erase_session(engine, engine.stores("acme"), SessionId(session))
    assert (receipt.complete, traces(world, session)) == (True, [])
    assert await free_mapping(world.worker(), world.stores, late) is None


async def test_a_key_pointed_elsewhere_meanwhile_is_left_alone(world, session) -> None:
    """A key that somebody points at another session while this one is erased keeps its new session."""
    other = await world.say("mine", key=session_key("acme", "console", "bob"))

    async def point() -> None:
        row = world.server.rows[f"acme/{mapping_key(KEY)}"]
        await point_key(world.worker(), world.stores, KEY, SessionId(other.session_id), world.strip(row))

    engine = world.worker("w1", Meanwhile("table.delete", point))
    await erase_session(engine, engine.stores("acme"), SessionId(session))
    assert await world.session() == other.session_id
