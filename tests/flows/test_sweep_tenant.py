"""Sweeps of a tenant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outlive.core.keys import mapping_key, session_key
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.sessions.sweep_session import GRACE
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.flows.turn.find_session import DAY
from tests.flows.conftest import KEY, Meanwhile

TTL = 25 * DAY
MARGIN = 3600.0


async def sweep(world, **options):
    """Sweep with a worker of its own."""
    return await sweep_tenant(world.worker("sweeper"), world.stores, **options)


async def test_every_session_is_swept(world) -> None:
    """Each session's unneeded packs go, and the numbers add up."""
    world.keep = 2
    sessions = []
    for chat in ("a", "b"):
        for number in range(8):
            turn = await world.say(f"write a.txt: {number}", key=session_key("acme", "console", chat))
        sessions.append(turn.session_id)
    before = sum(len(world.packs(session)) for session in sessions)
    swept = await sweep(world)
    assert (swept.sessions, before - swept.removed) == (2, sum(len(world.packs(session)) for session in sessions))
    assert swept.removed > 0
    assert await world.restored(sessions[0]) == world.trees[sessions[0], 8]


@pytest.mark.promise("P10")
async def test_an_expired_session_is_erased(world) -> None:
    """A session whose time has been over for longer than clocks may differ is removed with its key."""
    turn = await world.say("one")
    world.clock.advance(TTL + MARGIN)
    swept = await sweep(world)
    assert swept.expired == [turn.session_id]
    assert (world.rows(), world.packs(turn.session_id)) == ([], [])


async def test_a_session_that_has_just_expired_waits_for_slow_clocks(world) -> None:
    """A session whose time is over by less than clocks may differ is not erased yet."""
    await world.say("one")
    world.clock.advance(TTL + MARGIN - 1)
    assert (await sweep(world)).expired == []


async def test_a_session_that_runs_is_not_erased_by_a_clock_that_is_ahead(world) -> None:
    """A sweep by a clock a month ahead leaves the session alone in which a turn runs, and says so."""
    turn = await world.say("one")
    async with world.running():
        world.server.rows = {
            key: replace(row, until=row.until + 99 * DAY) if row.owner else row
            for key, row in world.server.rows.items()
        }
        world.clock._now += TTL + MARGIN
        assert (await sweep(world)).held == [turn.session_id]


@pytest.mark.parametrize(("age", "goes"), [(DAY - 1, False), (DAY, True)])
async def test_an_abandoned_head_goes_after_a_day(world, age, goes) -> None:
    """A session that never had a turn and that no key points at is removed once it is a day old."""
    session = await world.start_anew()
    del world.server.rows[f"acme/{mapping_key(KEY)}"]
    world.clock.advance(age)
    swept = await sweep(world)
    assert (swept.abandoned == [session]) is goes
    assert (world.rows() == []) is goes


async def test_an_unused_session_that_a_key_points_at_stays(world) -> None:
    """A fresh session waits for its first message as long as its key points at it."""
    session = await world.start_anew()
    world.clock.advance(20 * DAY)
    swept = await sweep(world)
    assert (swept.abandoned, swept.expired, await world.session()) == ([], [], session)


async def test_a_session_without_a_key_that_had_turns_stays(world) -> None:
    """A session that /new left behind is kept until its time is over."""
    turn = await world.say("one")
    await world.start_anew()
    world.clock.advance(2 * DAY)
    await sweep(world)
    assert await world.restored(turn.session_id) == world.trees[turn.session_id, 1]


async def test_a_head_that_is_used_while_it_is_judged_stays(world) -> None:
    """A session that somebody uses between the listing and the lease is not removed."""
    turn = await world.say("one")
    world.clock.advance(TTL + MARGIN)
    row = world.row(turn.session_id)

    async def revive() -> None:
        body = row.body.replace(b'"updated_at":', b'"updated_at":1')  # a later time: somebody's commit
        world.server.rows[row.key] = replace(row, body=body, version=row.version + 1)

    engine = world.worker("sweeper", Meanwhile("table.acquire", revive))
    swept = await sweep_tenant(engine, engine.stores("acme"))
    assert (swept.expired, len(world.packs(turn.session_id))) == ([], 1)


@pytest.mark.parametrize(("age", "goes"), [(GRACE - 1, False), (GRACE, True)])
async def test_packs_of_no_session_go_after_the_grace_time(world, age, goes) -> None:
    """Packs below the prefix of a session that has no head are removed once all are old enough."""
    session = "e" * 32
    world.server.blobs[f"acme/sessions/{session}/packs/00000001-00000001-0001"] = (b"x", world.clock.now())
    world.server.blobs["acme/sessions/README"] = (b"not a session's", 0.0)
    world.clock.advance(age)
    assert ((await sweep(world)).headless == [session]) is goes
    assert (world.packs(session) == []) is goes
    assert "acme/sessions/README" in world.server.blobs


async def test_an_expired_key_goes(world) -> None:
    """A mapping whose time has been over for a day is removed, whatever it points at."""
    await world.say("one")
    session = await world.session()
    world.clock.advance(20 * DAY)
    await world.say("two", key=(other := session_key("acme", "console", "bob")))
    world.clock.advance(6 * DAY + MARGIN)
    swept = await sweep(world)
    assert (swept.expired, swept.mappings) == ([session], 0)  # its mapping went with it
    assert await world.session(other)


async def test_a_damaged_session_keeps_nobody_from_being_swept(world) -> None:
    """A session with a damaged pack or head is named and left alone, and the others are swept."""
    world.keep = 1
    for chat in ("a", "b", "c"):
        for number in range(8):
            turn = await world.say(f"write a.txt: {number}", key=session_key("acme", "console", chat))
        if chat == "a":
            world.flip(turn.session_id, world.packs(turn.session_id)[-1])
        if chat == "b":
            head = world.row(turn.session_id)
            world.server.rows[head.key] = replace(head, body=b"{")
    swept = await sweep(world)
    assert (len(swept.damaged), swept.sessions, swept.removed > 0) == (2, 1, True)


@pytest.mark.promise("P9")
async def test_another_tenant_is_not_swept(world) -> None:
    """A sweep of one tenant neither reads nor removes anything of another."""
    other = session_key("other", "console", "ada")
    await world.say("theirs", key=other, remember=False)
    before = world.everything()
    world.clock.advance(TTL + MARGIN)
    await sweep(world)
    assert world.everything() == before


async def test_progress_counts_sessions(world) -> None:
    """Whoever watches hears of every session."""
    for chat in ("a", "b"):
        await world.say("hi", key=session_key("acme", "console", chat))
    seen = []
    await sweep(world, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


async def test_a_session_erased_meanwhile_is_no_error(world) -> None:
    """A session that somebody erases while the sweep is under way is passed over."""
    turn = await world.say("one")

    async def erased() -> None:
        await erase_session(world.worker(), world.stores, turn.session_id)

    engine = world.worker("sweeper", Meanwhile("table.read", erased))
    swept = await sweep_tenant(engine, engine.stores("acme"))
    assert (swept.sessions, swept.damaged) == (0, [])
