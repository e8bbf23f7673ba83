"""Damaged, missing and unreachable storage: named, never taken for an empty session."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outlive.core.keys import session_key
from outlive.core.messages import Inbound
from outlive.core.sessions import SESSION_TTL
from outlive.errors import Corrupt, Invalid, SchemaTooNew, TooLarge, Unavailable
from outlive.flows.run_turn import run_turn
from outlive.testing.faults import ErrorBefore, Plan, every


async def _session(world, turns: int = 2) -> None:
    for number in range(turns):
        await world.turn(world.worker("w1"), f"message {number}")


def _packs(world) -> list[str]:
    return sorted(key for key in world.server.blobs if "/packs/" in key)


@pytest.mark.promise("P8")
@pytest.mark.parametrize("damage", ["flip", "cut", "foreign", "gone"])
async def test_damaged_packs_are_found_and_named(world, damage) -> None:
    """A flipped, cut, foreign or missing pack stops the resume with an error that names it."""
    await _session(world)
    first, second = _packs(world)
    content, at = world.server.blobs[second]
    damaged = {
        "flip": content[:60] + bytes([content[60] ^ 1]) + content[61:],
        "cut": content[:-1],
        "foreign": world.server.blobs[first][0],
    }
    if damage == "gone":
        del world.server.blobs[second]
    else:
        world.server.blobs[second] = (damaged[damage], at)
    with pytest.raises(Corrupt, match=second.rsplit("/", 1)[-1]):
        await world.turn(world.worker("fresh"), "message 2")
    assert (await world.head()).version == 2


@pytest.mark.promise("P7")
@pytest.mark.parametrize("broken", ["table.read", "table.acquire", "objects.get"])
async def test_a_read_error_is_not_an_empty_session(world, broken) -> None:
    """When a store cannot be read, the turn fails and no new conversation is begun."""
    await _session(world)
    plan = Plan(every(broken, ErrorBefore()), clock=world.clock)
    with pytest.raises(Unavailable):
        await world.turn(world.worker("fresh", plan), "message 2")
    assert len([key for key in world.server.rows if "/head/" in key]) == 1
    world.clock.advance(31)
    assert (await world.turn(world.worker("w2"), "message 2")).line.turn == 3


@pytest.mark.promise("P7")
async def test_a_lost_head_is_not_an_empty_session(world) -> None:
    """A mapping whose head is gone is reported as damage, not answered by a session that remembers nothing."""
    await _session(world)
    del world.server.rows[next(key for key in world.server.rows if "/head/" in key)]
    with pytest.raises(Corrupt, match="lost its head"):
        await world.turn(world.worker("w2"), "message 2")


@pytest.mark.promise("P6")
async def test_a_turn_that_cannot_be_stored_is_not_answered(world) -> None:
    """When the object store takes nothing, the turn fails, nothing is delivered, and a later try answers."""
    plan = Plan(every("objects.put", ErrorBefore()), clock=world.clock)
    with pytest.raises(Unavailable):
        await world.turn(world.worker("w1", plan), "one")
    assert world.inbox.replies == []
    assert (await world.turn(world.worker("w1"), "one")).line.turn == 1


async def test_a_newer_head_is_refused(world) -> None:
    """A head written by a newer outlive stops the turn and says to upgrade."""
    await _session(world)
    key, row = next(item for item in world.server.rows.items() if "/head/" in item[0])
    world.server.rows[key] = replace(row, body=row.body.replace(b'"schema":1', b'"schema":99'))
    with pytest.raises(SchemaTooNew, match="Upgrade"):
        await world.turn(world.worker("w1"), "message 2")


@pytest.mark.promise("P10")
async def test_a_session_ends_with_its_ttl(world) -> None:
    """25 days after its last turn a session is over, though its record is still in the table."""
    await _session(world)
    world.clock.advance(SESSION_TTL - 1)
    assert (await world.turn(world.worker("w1"), "in time")).line.turn == 3
    world.clock.advance(SESSION_TTL + 1)
    assert (await world.turn(world.worker("w1"), "too late")).line.turn == 1


@pytest.mark.promise("P9")
async def test_the_same_key_of_two_tenants_is_two_sessions(world) -> None:
    """Two tenants that use the same channel and chat id share no record, no object and no directory."""
    worker = world.worker("w1")
    for tenant in ("acme", "rival"):
        message = Inbound(session_key(tenant, "console", "ada"), "m1", f"hello {tenant}", world.clock.now())
        assert (await run_turn(worker, message)).line.turn == 1
    keys = [*world.server.rows, *world.server.blobs]
    assert {key.split("/")[0] for key in keys} == {"acme", "rival"}
    assert len({turn.root for turn in world.agent.runs}) == 2


@pytest.mark.parametrize("text", ["", " \n\t", "\0"[:0]])
async def test_an_empty_message_is_refused_before_anything_is_written(world, text) -> None:
    """A message without a visible character is refused by the field's name, and no session is made."""
    with pytest.raises(Invalid, match="text"):
        await run_turn(world.worker("w1"), world.message(text, "m1"))
    assert not world.server.rows


@pytest.mark.promise("P13")
async def test_an_oversized_message_is_refused_before_anything_is_written(world) -> None:
    """A message over the limit is refused with the limit in the error, and no session is made."""
    with pytest.raises(TooLarge, match="196,608"):
        await run_turn(world.worker("w1"), world.message("x" * 196_609, "m1"))
    assert not world.server.rows


@pytest.mark.promise("P13")
@pytest.mark.parametrize(
    "text", ["a\0b", "half \ud83d emoji", "👩‍🚀 " * 1000, "line\n" * 20_000], ids=["nul", "surrogate", "emoji", "long"]
)
async def test_odd_text_comes_back_exactly(world, text) -> None:
    """NUL, half of a surrogate pair, emoji and long text come back on another host as they were sent."""
    await world.turn(world.worker("w1"), text, "m1")
    again = await world.turn(world.worker("w2"), "next", "m2")
    assert again.line.turn == 2
    assert (await world.transcript())[0]["message"]["content"] == text
    assert (await world.turn(world.worker("w2"), text, "m1")).line.text == text
