"""One session looked at, and its conversation."""

from __future__ import annotations

import pytest

from outlive.core.keys import session_key
from outlive.errors import Invalid, NotFound, Unavailable
from outlive.flows.sessions.inspect_session import inspect_session, read_conversation
from outlive.flows.sessions.rewind_session import rewind_session
from outlive.flows.turn.find_session import point_key
from outlive.testing.faults import CrashBefore, on

PHONE = session_key("acme", "telegram", "42")


async def inspect(world, session: str):
    """Look at the session."""
    return await inspect_session(world.worker(), world.stores, session)


async def test_sizes_are_those_of_the_store(world) -> None:
    """Packs and bytes are those of the object store, files and bytes those of the tree."""
    for text in ("write a.txt: one", "write b.txt: two"):
        turn = await world.say(text)
    detail = await inspect(world, turn.session_id)
    tree = world.trees[turn.session_id, 2]
    assert (detail.files, detail.tree_bytes) == (len(tree), sum(len(content) for _, content in tree.values()))
    assert detail.stored_packs == len(world.packs(turn.session_id)) == 2
    assert detail.stored_bytes == sum(len(data) for key, (data, _) in world.server.blobs.items() if "/packs/" in key)
    assert [pack.name for pack in detail.packs] == world.packs(turn.session_id)


async def test_live_bytes_show_dead_weight(world) -> None:
    """A pack whose file was overwritten since says how little of it is still used."""
    await world.say("write a.txt: " + "x" * 5000)
    turn = await world.say("write a.txt: short")
    first = (await inspect(world, turn.session_id)).packs[0]
    assert first.raw - first.live == 5000


async def test_every_key_that_points_at_it_is_named(world) -> None:
    """A session reached from two channels names both keys."""
    turn = await world.say("one")
    await point_key(world.worker(), world.stores, PHONE, turn.session_id, None)
    assert (await inspect(world, turn.session_id)).keys == ("acme:console:ada:default", "acme:telegram:42:default")


async def test_replies_that_wait_are_shown(world) -> None:
    """A committed reply that could not be delivered is in the outbox."""
    world.console.down = Unavailable("away")
    await world.say("hello")
    (pending,) = (await inspect(world, await world.session())).outbox
    assert (pending.turn, pending.session_key) == (1, "acme:console:ada:default")


@pytest.mark.parametrize(
    ("rule", "complete"), [(on("table.write", CrashBefore()), True), (on("objects.put", CrashBefore(), nth=2), False)]
)
async def test_an_interrupted_turn_is_shown(world, rule, complete) -> None:
    """What a dead worker left shows which message it was, and whether only the commit is missing."""
    turn = await world.say("one")
    inbound = await world.die(rule, "cut off")
    (found,) = (await inspect(world, turn.session_id)).interrupted
    assert (found.message_id, found.complete, found.fence) == (inbound.message_id, complete, 2)
    assert found.text == ("" if complete else "cut off")


async def test_a_running_turn_is_not_called_interrupted(world) -> None:
    """While a turn runs its flushes are its own, and the session is shown as held."""
    turn = await world.say("one")
    async with world.running():
        detail = await inspect(world, turn.session_id)
    assert (detail.interrupted, detail.line.held_until is None) == ((), False)


async def test_a_session_without_a_turn_can_be_looked_at(world) -> None:
    """A fresh session shows as empty."""
    detail = await inspect(world, await world.start_anew())
    assert (detail.line.version, detail.packs, detail.files) == (0, (), 0)


async def test_looking_writes_nothing(world) -> None:
    """Inspecting and reading leave table and objects as they are."""
    turn = await world.say("one")
    before = world.everything()
    await inspect(world, turn.session_id)
    await read_conversation(world.worker(), world.stores, turn.session_id)
    assert world.everything() == before


@pytest.mark.parametrize("days", [0, 26])
async def test_a_session_that_is_not_there_is_not_found(world, days) -> None:
    """Neither an unknown id nor an expired session can be looked at."""
    turn = await world.say("one")
    world.clock.advance(days * 86400)
    with pytest.raises(NotFound):
        await inspect(world, turn.session_id if days else "f" * 32)


# ------------------------------------------------------------------------------------------- conversation


async def talk(world, count: int) -> str:
    """A conversation of `count` turns."""
    for number in range(1, count + 1):
        turn = await world.say(f"question {number}", remember=False)
    return turn.session_id


async def test_a_conversation_is_what_was_said(world) -> None:
    """Each turn has the user's text, the reply and what it used, oldest first."""
    session = await talk(world, 2)
    page = await read_conversation(world.worker(), world.stores, session)
    assert [(line.text, line.reply) for line in page.turns] == [
        ("question 1", "Message 1: question 1"),
        ("question 2", "Message 2: question 2"),
    ]
    assert (page.turns[0].usd, page.turns[0].input_tokens, page.before) == (0.001, 10, None)


async def test_a_conversation_is_read_from_its_end(world) -> None:
    """The first page holds the last turns, and the cursor leads to the ones before, down to the first."""
    session = await talk(world, 5)
    before, pages = None, []
    while not pages or before is not None:
        page = await read_conversation(world.worker(), world.stores, session, before=before, limit=2)
        pages.append([line.turn for line in page.turns])
        before = page.before
    assert pages == [[4, 5], [2, 3], [1]]


async def test_a_rewind_keeps_the_whole_conversation(world) -> None:
    """What was said before a rewind is still in the conversation."""
    session = await talk(world, 3)
    await rewind_session(world.worker(), world.stores, session, 1)
    page = await read_conversation(world.worker(), world.stores, session)
    assert [line.turn for line in page.turns] == [1, 2, 3]


async def test_a_session_without_a_turn_has_an_empty_conversation(world) -> None:
    """A fresh session has said nothing."""
    page = await read_conversation(world.worker(), world.stores, await world.start_anew())
    assert (page.turns, page.before) == ((), None)


async def test_a_conversation_page_out_of_range_is_refused(world) -> None:
    """A page holds 1 to 1,000 turns."""
    with pytest.raises(Invalid, match="limit"):
        await read_conversation(world.worker(), world.stores, "f" * 32, limit=0)
