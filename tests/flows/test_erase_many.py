"""Users and tenants erased."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outlive.core.keys import SessionId, session_key
from outlive.errors import Corrupt, Invalid
from outlive.flows.sessions.erase_many import erase_tenant, erase_user
from outlive.flows.turn.find_session import point_key
from outlive.testing.faults import Crash, CrashAfter, Plan, at

ADA = session_key("acme", "console", "ada")
ADA_THREAD = session_key("acme", "console", "ada", "work")
ADA_SLACK = session_key("acme", "slack", "ada")
BOB = session_key("acme", "console", "bob")
ELSEWHERE = session_key("other", "console", "ada")


@pytest.fixture
async def people(world) -> dict:
    """Sessions of ada on two channels, of bob, and of an ada of another tenant."""
    keys = (ADA, ADA_THREAD, ADA_SLACK, BOB)
    world.channels |= {"slack": world.console}
    made = {key: (await world.say(f"write a.txt: {key}", key=key)).session_id for key in keys}
    return made | {ELSEWHERE: (await world.say("theirs", key=ELSEWHERE, remember=False)).session_id}


def left(world, people) -> set:
    """The keys whose sessions have anything stored."""
    stored = " ".join([*world.server.rows, *world.server.blobs])
    return {key for key, session in people.items() if session in stored}


@pytest.mark.promise("P10")
async def test_erasing_a_user_erases_every_session_of_the_chat(world, people) -> None:
    """All threads and channels of a user go, and nobody else's session."""
    receipt = await erase_user(world.worker(), world.stores, "ada")
    assert left(world, people) == {BOB, ELSEWHERE}
    assert set(receipt.erased) == {people[ADA], people[ADA_THREAD], people[ADA_SLACK]}
    assert receipt.complete
    assert await world.restored(people[BOB]) == world.trees[people[BOB], 1]


async def test_a_user_of_one_channel_keeps_the_others(world, people) -> None:
    """With a channel, only that channel's sessions of the user go."""
    await erase_user(world.worker(), world.stores, "ada", channel="slack")
    assert left(world, people) == {ADA, ADA_THREAD, BOB, ELSEWHERE}


async def test_a_session_that_a_users_key_points_at_is_the_users(world, people) -> None:
    """A session that was made elsewhere, and that a key of the user points at now, goes with the user."""
    await point_key(world.worker(), world.stores, session_key("acme", "console", "eve"), SessionId(people[BOB]), None)
    await erase_user(world.worker(), world.stores, "eve")
    assert left(world, people) == {ADA, ADA_THREAD, ADA_SLACK, ELSEWHERE}


async def test_a_user_without_sessions_leaves_an_empty_receipt(world, people) -> None:
    """Erasing somebody who has nothing finds nothing."""
    receipt = await erase_user(world.worker(), world.stores, "nobody")
    assert (receipt.erased, receipt.complete) == ((), True)
    assert {tier.found for tier in receipt.tiers} == {0}


async def test_a_user_without_a_name_is_refused(world) -> None:
    """An empty chat id is refused, and matches nobody."""
    with pytest.raises(Invalid, match="chat_id"):
        await erase_user(world.worker(), world.stores, "")


async def test_a_running_session_is_named_and_the_others_go(world, people) -> None:
    """While one session runs a turn, the others go and the receipt says which is left."""
    async with world.running(key=ADA_THREAD):
        receipt = await erase_user(world.worker(), world.stores, "ada")
    assert (receipt.held, receipt.complete) == ((people[ADA_THREAD],), False)
    assert left(world, people) == {ADA_THREAD, BOB, ELSEWHERE}


@pytest.mark.promise("P10")
@pytest.mark.promise("P9")
async def test_erasing_a_tenant_leaves_nothing_below_its_prefix(world, people) -> None:
    """No record and no object of the tenant is left, dictionaries and orphans included; another tenant is whole."""
    world.server.blobs["acme/dictionaries/ab"] = (b"shared", 0.0)
    world.server.blobs[f"acme/sessions/{'e' * 32}/packs/00000001-00000001-0001"] = (b"orphan", 0.0)
    receipt = await erase_tenant(world.worker(), world.stores)
    assert [key for key in (*world.server.rows, *world.server.blobs) if key.startswith("acme/")] == []
    assert left(world, people) == {ELSEWHERE}
    assert receipt.complete
    assert {tier.name: tier.found for tier in receipt.tiers}["other objects"] >= 1


async def test_a_damaged_head_does_not_survive_its_tenant(world, people) -> None:
    """A head that cannot be read goes with its packs when the whole tenant does."""
    key = f"acme/head/{people[BOB]}"
    world.server.rows[key] = replace(world.server.rows[key], body=b"{")
    assert (await erase_tenant(world.worker(), world.stores)).complete
    assert left(world, people) == {ELSEWHERE}


async def test_a_damaged_head_stops_the_erase_of_a_user(world, people) -> None:
    """A head that cannot be read may be the user's: it is named, and nothing is called complete."""
    key = f"acme/head/{people[BOB]}"
    world.server.rows[key] = replace(world.server.rows[key], body=b"{")
    with pytest.raises(Corrupt, match=people[BOB]):
        await erase_user(world.worker(), world.stores, "ada")


async def test_a_tenant_that_runs_keeps_what_its_turn_needs(world, people) -> None:
    """While a session runs a turn, the rest below the prefix stays, and the receipt is not complete."""
    async with world.running(key=ADA) as turn:
        receipt = await erase_tenant(world.worker(), world.stores)
        assert receipt.held == (people[ADA],)
    assert (await turn).after == 2
    assert left(world, people) == {ADA, ELSEWHERE}


async def test_progress_counts_sessions(world, people) -> None:
    """Whoever watches hears of every session."""
    seen = []
    await erase_user(world.worker(), world.stores, "ada", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("number", range(7, 42, 6))
async def test_a_cut_off_erase_of_a_user_is_finished_by_the_next(world, people, number) -> None:
    """A second erase finds what a first one that died had left, by the keys in the heads."""
    engine = world.worker("w1", Plan(at(number, CrashAfter()), clock=world.clock))
    with pytest.raises(Crash):
        await erase_user(engine, engine.stores("acme"), "ada")
    world.clock.advance(31)
    assert (await erase_user(world.worker(), world.stores, "ada")).complete
    assert left(world, people) == {BOB, ELSEWHERE}
