"""Messages appended one by one: the original design's faults, each as a test, and what is promised instead."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from outlive.core.keys import SessionId, head_key
from outlive.core.message_log import INLINE_BYTES, MAX_BYTES, LoggedMessage, text_prefix
from outlive.errors import Corrupt, Invalid, NotFound, TooLarge
from outlive.flows.knowledge.message_log import append_message, delete_messages, read_message, read_messages
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.testing.faults import Crash, CrashBefore, ErrorBefore, LostReply, Plan, on

from .conftest import TENANT, World

LONG = "long " * INLINE_BYTES


@pytest.fixture
async def session(world: World) -> SessionId:
    """A session without a turn."""
    return await world.start_anew()


async def append(world: World, session: SessionId, *texts: str, worker: str = "w1") -> list[LoggedMessage]:
    """Messages of a user, one after the other."""
    engine = world.worker(worker)
    return [await append_message(engine, world.stores, session, "user", text) for text in texts]


async def texts_of(world: World, session: SessionId, **page: int) -> list[str]:
    """The texts on a page."""
    found = await read_messages(world.worker(), world.stores, session, **page)
    return [message.text for message in found.messages]


@pytest.mark.defect(32)
async def test_two_workers_in_the_same_millisecond_lose_nothing(world: World, session: SessionId) -> None:
    """32 messages from 32 workers at one time get 32 ids in a row, and all of them are there."""
    await asyncio.gather(*(append(world, session, f"m{n}", worker=f"w{n}") for n in range(32)))
    found = (await read_messages(world.worker(), world.stores, session)).messages
    assert [message.id for message in found] == list(range(1, 33))
    assert {message.text for message in found} == {f"m{n}" for n in range(32)}


async def test_messages_are_read_forwards_by_page(world: World, session: SessionId) -> None:
    """Each page goes on behind the last one, and what is appended later is on the next."""
    await append(world, session, *"abcde")
    page = await read_messages(world.worker(), world.stores, session, after=0, limit=3)
    assert ([m.text for m in page.messages], page.after) == (["a", "b", "c"], 3)
    await append(world, session, "f")
    assert await texts_of(world, session, after=page.after) == ["d", "e", "f"]


async def test_messages_are_read_backwards_by_page(world: World, session: SessionId) -> None:
    """Without a place the newest are given, and each page before it ends where that one begins."""
    await append(world, session, *"abcde")
    seen, before = [], None
    while True:
        page = await read_messages(world.worker(), world.stores, session, before=before, limit=2)
        seen.append("".join(m.text for m in page.messages))
        if (before := page.before) is None:
            break
    assert seen == ["de", "bc", "a"]


@pytest.mark.defect(35)
async def test_hundreds_are_found_again_by_another_worker(world: World, session: SessionId) -> None:
    """A worker that has never seen the session appends behind the 300th message, and reads few records to find it."""
    await append(world, session, *(str(n) for n in range(300)))
    plan = Plan(clock=world.clock)
    (message,) = [await append_message(world.worker("new", plan), world.stores, session, "user", "next")]
    assert message.id == 301
    assert await texts_of(world, session, limit=2) == ["299", "next"]


@pytest.mark.parametrize("fault", [LostReply(), ErrorBefore()])
async def test_an_unanswered_append_is_stored_once(world: World, session: SessionId, fault: object) -> None:
    """Whether the write landed or not, the message is there once, under the id that is returned."""
    engine = world.worker("unlucky", Plan(on("table.write", fault), clock=world.clock))
    done = await append_message(engine, engine.stores(TENANT), session, "user", "once")
    assert (done.id, await texts_of(world, session)) == (1, ["once"])


async def test_a_long_text_lies_in_an_object(world: World, session: SessionId) -> None:
    """A page shows its beginning and its size; asked for by id, it comes whole."""
    await append(world, session, LONG)
    (shown,) = (await read_messages(world.worker(), world.stores, session)).messages
    assert (shown.is_whole, shown.size, LONG.startswith(shown.text)) == (False, len(LONG), True)
    assert (await read_message(world.worker(), world.stores, session, 1)).text == LONG


async def test_a_damaged_text_is_refused(world: World, session: SessionId) -> None:
    """A long text whose bytes are not the ones that were stored is named as damaged."""
    await append(world, session, LONG)
    (key,) = [key for key in world.server.blobs if text_prefix(session) in key]
    world.server.blobs[key] = (b"other", 0.0)
    with pytest.raises(Corrupt, match="not the text of message 1"):
        await read_message(world.worker(), world.stores, session, 1)


@pytest.mark.parametrize("text", ["\x00", "🙂" * 3, "\ud800", "a\nb", "#/:"])
async def test_any_text_comes_back(world: World, session: SessionId, text: str) -> None:
    """Control characters, emoji and half characters are stored as they are."""
    await append(world, session, text)
    assert await texts_of(world, session) == [text]


@pytest.mark.parametrize(
    ("role", "text", "error"),
    [("", "x", Invalid), ("a\x00", "x", Invalid), ("user", "", Invalid), ("user", "x" * (MAX_BYTES + 1), TooLarge)],
)
async def test_bad_input_writes_nothing(
    world: World, session: SessionId, role: str, text: str, error: type[Exception]
) -> None:
    """What cannot be stored is refused, and nothing of it is."""
    before = world.everything()
    with pytest.raises(error):
        await append_message(world.worker(), world.stores, session, role, text)
    assert world.everything() == before


async def test_no_session_no_messages(world: World) -> None:
    """Nothing is appended to, or read from, a session that is not there."""
    with pytest.raises(NotFound):
        await append(world, SessionId("0" * 32), "x")
    with pytest.raises(NotFound):
        await texts_of(world, SessionId("0" * 32))


@pytest.mark.defect(38)
async def test_an_active_session_keeps_its_oldest_message(world: World, session: SessionId) -> None:
    """A message a day for two months: the session lives, and the first message is still there."""
    for day in range(60):
        await append(world, session, f"day {day}")
        world.clock.advance(86400.0 + 1)
    assert (await texts_of(world, session, after=0, limit=1)) == ["day 0"]


@pytest.mark.defect(39)
async def test_all_are_removed_page_by_page(world: World, session: SessionId) -> None:
    """A removal goes over every page, long texts included, and ids begin anew."""
    await append(world, session, *(str(n) for n in range(250)), LONG)
    assert await delete_messages(world.worker(), world.stores, session) == 251
    assert not [key for key in (*world.server.rows, *world.server.blobs) if session in key and "head" not in key]
    assert (await append(world, session, "new"))[0].id == 1


async def test_a_removal_that_was_cut_off_is_finished_by_the_next(world: World, session: SessionId) -> None:
    """A worker that dies half-way leaves the newest messages, and the next removal takes them."""
    await append(world, session, *(str(n) for n in range(150)))
    plan = Plan(on("table.delete", CrashBefore(), nth=120), clock=world.clock)
    engine = world.worker("dead", plan)
    with pytest.raises(Crash):
        await delete_messages(engine, engine.stores(TENANT), session)
    assert await texts_of(world, session, limit=1) == ["149"]
    assert await delete_messages(world.worker(), world.stores, session) == 31


async def test_an_erase_takes_the_messages_along(world: World, session: SessionId) -> None:
    """After an erase no record and no object of the session's messages is left, and the receipt counts them."""
    await append(world, session, "short", LONG)
    receipt = await erase_session(world.worker(), world.stores, session)
    assert {tier.name: tier.found for tier in receipt.tiers}["messages"] == 3
    # a session without a turn leaves its marker for a while: tests/flows/test_late_writes.py
    assert [key for key in (*world.server.rows, *world.server.blobs) if session in key] == [
        f"{TENANT}/{head_key(session)}"
    ]


async def test_a_sweep_removes_messages_without_a_session(world: World, session: SessionId) -> None:
    """Messages written by a worker that hung while their session was erased are removed; others stay."""
    await append(world, session, "mine")
    lost = SessionId("f" * 32)
    for key, row in dict(world.server.rows).items():
        if session in key and "msg#" in key:
            other = key.replace(session, lost)
            world.server.rows[other] = replace(row, key=other)
    swept = await sweep_tenant(world.worker(), world.stores)
    assert swept.headless == [lost]
    assert await texts_of(world, session) == ["mine"]
    assert not [key for key in world.server.rows if lost in key]
