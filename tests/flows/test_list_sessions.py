"""The listing of a tenant's sessions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outlive.core.keys import session_key
from outlive.errors import Invalid, Unavailable
from outlive.flows.sessions.list_sessions import list_sessions


async def every(world, **page) -> list:
    """All pages, as one list of sessions."""
    after, found = "", []
    while after is not None:
        listed = await list_sessions(world.worker(), world.stores, after=after, **page)
        found += listed.sessions
        after = listed.after
    return found


async def test_a_line_says_what_the_head_says(world) -> None:
    """A listed session has the key, version, title, cost and times of its head."""
    turn = await world.say("write a.txt: hello")
    (line,) = await every(world)
    head = await world.head(turn.session_id)
    assert (line.key, line.session_id, line.version) == ("acme:console:ada:default", turn.session_id, 1)
    assert (line.turns, line.title, line.usd) == (1, "write a.txt: hello", 0.001)
    assert (line.input_tokens, line.output_tokens) == (turn.line.input_tokens, turn.line.output_tokens)
    assert (line.updated_at, line.expires_at) == (head.updated_at, head.updated_at + 25 * 86400)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pages_together_are_all_sessions_once(world, limit) -> None:
    """Whatever the page size, following the cursor lists every session once."""
    made = {(await world.say("hi", key=session_key("acme", "console", f"chat{n}"))).session_id for n in range(5)}
    found = [line.session_id for line in await every(world, limit=limit)]
    assert (set(found), len(found)) == (made, 5)


async def test_a_held_session_says_until_when(world) -> None:
    """While a turn runs the line carries the end of its lease, and afterwards none."""
    turn = await world.say("one")
    async with world.running():
        (line,) = await every(world)
        assert line.held_until == world.row(turn.session_id).until > world.clock.now()
    assert (await every(world))[0].held_until is None


async def test_a_lease_that_ran_out_holds_nothing(world) -> None:
    """The lease of a worker that died long ago does not show."""
    turn = await world.say("one")
    world.server.rows = {
        key: replace(row, owner="dead", until=world.clock.now()) for key, row in world.server.rows.items()
    }
    assert [(line.session_id, line.held_until) for line in await every(world)] == [(turn.session_id, None)]


@pytest.mark.promise("P10")
async def test_an_expired_session_is_not_listed(world) -> None:
    """A session whose time is over is left out, whether the table has removed it or not."""
    await world.say("one")
    world.clock.advance(25 * 86400)
    assert await every(world) == []


@pytest.mark.promise("P9")
async def test_another_tenants_sessions_are_not_listed(world) -> None:
    """A tenant's listing holds its own sessions only."""
    await world.say("mine")
    await world.say("theirs", key=session_key("other", "console", "ada"), remember=False)
    assert [line.title for line in await every(world)] == ["mine"]


async def test_a_damaged_head_is_named_and_hides_no_other(world) -> None:
    """A head that cannot be read is reported by name, beside all the others."""
    turns = [await world.say("hi", key=session_key("acme", "console", f"chat{n}")) for n in range(3)]
    key = f"acme/head/{turns[1].session_id}"
    world.server.rows[key] = replace(world.server.rows[key], body=b"{")
    page = await list_sessions(world.worker(), world.stores)
    assert {line.session_id for line in page.sessions} == {turns[0].session_id, turns[2].session_id}
    assert turns[1].session_id in page.damaged[0]


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_a_page_size_out_of_range_is_refused(world, limit) -> None:
    """A page holds 1 to 1,000 sessions."""
    with pytest.raises(Invalid, match="limit"):
        await list_sessions(world.worker(), world.stores, limit=limit)


async def test_a_cursor_that_is_none_is_refused(world) -> None:
    """A cursor that is no session id is refused, not searched for."""
    with pytest.raises(Invalid, match="session id"):
        await list_sessions(world.worker(), world.stores, after="../other")


@pytest.mark.promise("P7")
async def test_a_table_that_is_down_is_no_empty_listing(world) -> None:
    """A read error is an error, never a tenant without sessions."""
    await world.say("one")
    world.server.failure = ConnectionError("down")
    with pytest.raises(Unavailable):
        await list_sessions(world.worker(), world.stores)
