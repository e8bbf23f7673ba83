"""Filtered listings: whole pages, whatever lies between, and few heads unpacked."""

from __future__ import annotations

import pytest

from outlive.core.keys import session_key
from outlive.flows.sessions import filter_sessions as module
from outlive.flows.sessions.filter_sessions import SessionFilter, filter_sessions

CHATS = 12


@pytest.fixture
async def chats(world):
    """Sessions of two channels, every fourth of Slack; their ids by chat."""
    made = {}
    for number in range(CHATS):
        key = session_key("acme", "telegram" if number % 4 else "slack", f"chat{number}")
        made[f"chat{number}"] = (await world.say(f"Über {number}", key=key)).session_id
    return made


async def found(world, wanted, limit=50, after=""):
    """The sessions of a page by their chats, and where the next one begins."""
    page = await filter_sessions(world.worker(), world.stores, wanted, limit=limit, after=after)
    return [line.key.split(":")[2] for line in page.sessions], page.after


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_a_page_is_whole_and_the_next_goes_on(world, chats, limit) -> None:
    """A page holds as many as asked for while there are as many, and pages together hold each that fits once."""
    seen, after = [], ""
    while after is not None:
        page, after = await found(world, SessionFilter(channel="slack"), limit, after)
        assert len(page) == limit or after is None
        seen += page
    assert sorted(seen) == ["chat0", "chat4", "chat8"]


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (SessionFilter(user="chat7"), 1),
        (SessionFilter(text="CHAT7"), 1),
        (SessionFilter(text="über 7"), 1),
        (SessionFilter(text="nothing"), 0),
        (SessionFilter(channel="slack", text="chat4"), 1),
        (SessionFilter(running=True), 0),
        (SessionFilter(running=False), CHATS),
        (SessionFilter(waiting=True), 0),
        (SessionFilter(waiting=False), CHATS),
    ],
)
async def test_what_fits_is_found(world, chats, wanted, count) -> None:
    """By channel, chat, text in either case, and by whether a turn runs or waits."""
    assert len((await found(world, wanted))[0]) == count


async def test_only_what_may_fit_is_unpacked(world, chats, monkeypatch) -> None:
    """Of all heads one listing reads, only that of the chat asked for is decoded."""
    read = []
    monkeypatch.setattr(module, "read_line", lambda row, _now: read.append(row.key))
    await found(world, SessionFilter(channel="telegram", user="chat7"))
    assert len(read) == 1


async def test_a_page_ends_after_so_many_heads(world, chats, monkeypatch) -> None:
    """Where little fits a page ends after a number of heads, and says where to go on."""
    monkeypatch.setattr(module, "MOST_ROWS", 5)
    page, after = await found(world, SessionFilter(text="nothing"))
    assert (page, after) == ([], sorted(chats.values())[4])
