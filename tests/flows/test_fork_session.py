"""Forks: a second session from a version of the first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outlive.core.keys import mapping_key, parse_session_key, session_key
from outlive.core.ledger import PATH
from outlive.core.packs import PackName
from outlive.core.sessions import ANSWERED_WINDOW
from outlive.errors import AlreadyExists, Corrupt, Invalid, NotFound, Refused, Unavailable
from outlive.flows.run_turn import run_turn
from outlive.flows.sessions.fork_session import fork_session
from outlive.flows.sessions.sweep_session import sweep_session
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.testing.faults import Crash, CrashBefore, ErrorBefore, Plan, first_of, on
from tests.flows.conftest import Meanwhile

OTHER = session_key("acme", "console", "ada", "second")
HOUR = 3600.0


@pytest.fixture
async def source(world) -> str:
    """A session of four versions."""
    for text in ("write a.txt: one", "write b/c.txt: two", "write a.txt: three", "delete b/c.txt"):
        turn = await world.say(text)
    return turn.session_id


async def test_a_fork_restores_to_the_bytes_of_its_source(world, source) -> None:
    """A fork's tree is byte for byte, and mode for mode, that of the version it was made from."""
    forked = await fork_session(world.worker("w2"), world.stores, source)
    assert await world.restored(forked.session_id) == world.trees[source, 4]


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_a_fork_of_an_older_version_knows_that_version_only(world, source, version) -> None:
    """A fork of an older version has that version's files, turns and ledger, and nothing later."""
    forked = await fork_session(world.worker(), world.stores, source, version=version)
    head = await world.head(forked.session_id)
    tree = await world.restored(forked.session_id)
    assert tree == world.trees[source, version]
    assert (head.version, head.summary.turns, head.ledger_size) == (1, version, len(tree[PATH][1]))


async def test_a_fork_is_one_pack_of_its_own(world, source) -> None:
    """The fork lies in one pack, and every pack its head names lies below its own prefix."""
    forked = await fork_session(world.worker(), world.stores, source)
    head = await world.head(forked.session_id)
    assert world.packs(forked.session_id) == [ref.name for ref in head.packs] == ["00000001-00000001-0001"]


async def test_a_fork_leaves_its_source_alone(world, source) -> None:
    """Forking writes neither the source's head nor any of its packs."""
    before = dict(world.server.rows), world.packs(source)
    await fork_session(world.worker(), world.stores, source)
    assert {key: world.server.rows[key] for key in before[0]} == before[0]
    assert world.packs(source) == before[1]


async def test_a_fork_goes_on_by_itself(world, source) -> None:
    """A turn of the fork builds on the old conversation and does not show in the source."""
    forked = await fork_session(world.worker(), world.stores, source, key=OTHER)
    turn = await world.say("write a.txt: fork", key=OTHER)
    assert (turn.session_id, turn.line.turn, turn.line.reply) == (
        forked.session_id, 5, "Message 5: write a.txt: fork",
    )  # fmt: skip
    assert await world.restored(source) == world.trees[source, 4]


@pytest.mark.promise("P2")
async def test_a_fork_answers_what_its_version_had_answered(world) -> None:
    """A message that the forked version had answered gets that answer from the fork too, and is not run again."""
    first = await world.say("one")
    await world.say("two")
    await fork_session(world.worker(), world.stores, first.session_id, version=1, key=OTHER)
    engine = world.worker()
    again = replace(first.line, session_key=str(OTHER))
    turn = await run_turn(engine, world.inbound(again.text, again.message_id, key=OTHER))
    assert (turn.how, turn.line.turn, engine.agent.runs) == ("repeat", 1, [])


async def test_a_fork_of_a_version_beyond_the_window_counts_its_turns(world) -> None:
    """A version older than the window of answered messages knows its number of turns from its ledger."""
    world.keep = 2 * ANSWERED_WINDOW
    for number in range(ANSWERED_WINDOW + 3):
        turn = await world.say(f"m {number}", remember=False)
    forked = await fork_session(world.worker(), world.stores, turn.session_id, version=2)
    assert (await world.head(forked.session_id)).summary.turns == 2


async def test_a_fork_gets_a_thread_of_its_own(world, source) -> None:
    """Without a key the fork stands in the source's chat, in a thread nobody has."""
    forked = await fork_session(world.worker(), world.stores, source)
    key = parse_session_key(forked.key)
    assert (key.channel, key.chat_id) == ("console", "ada")
    assert await world.session(key) == forked.session_id


async def test_a_fork_keeps_its_title_and_costs_nothing_yet(world, source) -> None:
    """The fork is listed under the source's title, with no money or token spent."""
    forked = await fork_session(world.worker(), world.stores, source)
    summary = (await world.head(forked.session_id)).summary
    assert (summary.title, summary.usd, summary.input_tokens) == ("write a.txt: one", 0.0, 0)


async def test_a_busy_source_is_forked_from_its_last_commit(world, source) -> None:
    """A fork needs no lease: while a turn runs, it gets the last committed version."""
    async with world.running():
        forked = await fork_session(world.worker(), world.stores, source)
    assert await world.restored(forked.session_id) == world.trees[source, 4]


async def test_a_version_that_is_not_there_is_named_with_those_that_are(world, source) -> None:
    """Asking for a version that does not exist names the range that does, and makes nothing."""
    rows = world.rows()
    for version in (0, 5, -1):
        with pytest.raises(Invalid, match=r"Choose one from 1 to 4"):
            await fork_session(world.worker(), world.stores, source, version=version)
    assert world.rows() == rows


async def test_a_session_without_a_turn_cannot_be_forked(world) -> None:
    """A session that has no version yet is refused with what to do."""
    await world.start_anew()
    with pytest.raises(Invalid, match="Send it a message first"):
        await fork_session(world.worker(), world.stores, await world.session())


async def test_an_unknown_session_cannot_be_forked(world) -> None:
    """A session id nobody has is not found."""
    with pytest.raises(NotFound):
        await fork_session(world.worker(), world.stores, "f" * 32)


async def test_a_key_in_use_is_not_taken_over(world, source) -> None:
    """A key that has a session is refused, keeps its session, and no fork is made."""
    other = await world.say("mine", key=OTHER)
    rows = world.rows()
    with pytest.raises(AlreadyExists, match="Choose another key"):
        await fork_session(world.worker(), world.stores, source, key=OTHER)
    assert (await world.session(OTHER), world.rows()) == (other.session_id, rows)


@pytest.mark.promise("P9")
async def test_a_key_of_another_tenant_is_refused(world, source) -> None:
    """A fork cannot be given to another tenant."""
    with pytest.raises(Refused):
        await fork_session(world.worker(), world.stores, source, key=session_key("evil", "console", "ada"))


@pytest.mark.promise("P8")
async def test_a_damaged_source_is_named_and_nothing_is_left(world, source) -> None:
    """A flipped byte in a pack of the source is reported, and no fork is left behind."""
    name = PackName((await world.head(source)).packs[0].name)
    world.flip(source, name)
    rows = world.rows()
    with pytest.raises(Corrupt, match=name):
        await fork_session(world.worker(), world.stores, source)
    assert world.rows() == rows


@pytest.mark.parametrize("call", ["objects.put", "table.write"])
async def test_a_fork_that_fails_is_taken_back(world, source, call) -> None:
    """When a write of the fork cannot be made, no head, no pack and no key of it is left, once a sweep came by."""
    before = world.everything()
    for nth in (2, 3) if call == "table.write" else (1,):
        engine = world.worker(
            "w2", Plan(first_of(*(on(call, ErrorBefore(), nth=nth + i) for i in range(4))), clock=world.clock)
        )
        with pytest.raises(Unavailable):
            await fork_session(engine, engine.stores("acme"), source, key=OTHER)
        assert set(world.rows()) - {mapping_key(OTHER)} == {key.partition("/")[2] for key in before[0]}
        world.clock.advance(3 * HOUR)
        await sweep_tenant(world.worker(), world.stores)
        assert world.everything() == before


async def test_a_fork_that_dies_while_it_is_taken_back_is_swept_away(world, source) -> None:
    """Whatever call a fork dies at while it is taken back, its head names no missing pack, and a sweep removes it."""
    before = world.everything()
    fails = on("table.write", ErrorBefore(), nth=3)
    for call in ("objects.delete", "table.delete"):
        plan = Plan(first_of(fails, on(call, CrashBefore())), clock=world.clock)
        engine = world.worker("w2", plan)
        with pytest.raises(Crash):
            await fork_session(engine, engine.stores("acme"), source, key=OTHER)
        world.clock.advance(3 * HOUR)
        assert (await sweep_tenant(world.worker(), world.stores)).damaged == []
        assert world.everything() == before


async def test_a_key_taken_in_the_meantime_takes_the_fork_back(world, source) -> None:
    """When somebody takes the key while the fork is being written, theirs stays and no fork does."""
    engine = world.worker("w2", Meanwhile("objects.put", lambda: world.say("mine", key=OTHER)))
    with pytest.raises(AlreadyExists):
        await fork_session(engine, engine.stores("acme"), source, key=OTHER)
    heads = {f"head/{session_id}" for session_id in (source, await world.session(OTHER))}
    assert {key for key in world.rows() if key.startswith("head/")} == heads


async def test_a_fork_that_a_sweep_undercuts_says_so(world, source) -> None:
    """A version that retention removes while it is being copied is refused with the versions that are left."""
    world.keep = 2

    async def undercut() -> None:
        for number in range(8):
            await world.say(f"write a.txt: {number}")
        await sweep_session(world.worker(), world.stores, source)

    engine = world.worker("w2", Meanwhile("table.write", undercut))
    with pytest.raises(Invalid, match="Choose one from 11 to 12"):
        await fork_session(engine, engine.stores("acme"), source, version=3)
