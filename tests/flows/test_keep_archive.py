"""The archive: nothing is missing, nothing is twice, and a change is found."""

from __future__ import annotations

import asyncio
import json

import pytest

from outlive.core.audit_chain import segment_key
from outlive.core.keys import SessionId, session_key
from outlive.core.redaction import DEFAULT_RULES, parse_rules
from outlive.errors import Corrupt, Invalid, Unavailable
from outlive.flows.knowledge.export_dataset import export_dataset
from outlive.flows.knowledge.keep_archive import (
    append_audit,
    collect_turns,
    read_audit,
    remove_conversations,
    verify_audit,
)
from outlive.testing.faults import Crash, CrashAfter, CrashBefore, LostReply, Plan, on

from .conftest import TENANT, World

KEYS = [session_key(TENANT, "console", name) for name in ("ada", "bob")]


async def turns_in(world: World) -> list[tuple[str, int]]:
    """(session, turn) of every entry in the log, in its order."""
    entries, _ = await read_audit(world.worker(), world.stores, limit=10_000)
    return [(entry["session"], entry["turn"]) for entry in entries if entry["kind"] == "turn"]


async def talk(world: World) -> set[tuple[str, int]]:
    """Two turns in each of two sessions."""
    return {((turn := await world.say("hello", key=key)).session_id, turn.line.turn) for _ in range(2) for key in KEYS}


async def test_every_turn_is_collected_once(world: World) -> None:
    """After two collections each turn is in the log once, and the log verifies."""
    expected = await talk(world)
    assert (await collect_turns(world.worker(), world.stores)).turns == 4
    assert (await collect_turns(world.worker(), world.stores)).turns == 0
    assert sorted(await turns_in(world)) == sorted(expected)
    assert (await verify_audit(world.worker(), world.stores)).entries == 4


async def test_a_later_collection_adds_what_is_new(world: World) -> None:
    """A turn after a collection is the only one the next one adds."""
    await talk(world)
    await collect_turns(world.worker(), world.stores)
    turn = await world.say("more")
    await collect_turns(world.worker(), world.stores)
    assert (await turns_in(world))[-1] == (turn.session_id, 3)


@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()])
@pytest.mark.parametrize("step", ["objects.put", "table.write"])
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_collection_that_dies_anywhere_leaves_no_gap(
    world: World, step: str, nth: int, action: CrashBefore | CrashAfter
) -> None:
    """Killed before or after any write, the next collection completes the log, and no turn is in it twice."""
    expected = await talk(world)
    dying = world.worker("dying", Plan(on(step, action, nth=nth), clock=world.clock))
    with pytest.raises(Crash):
        await collect_turns(dying, dying.stores(TENANT))
    await collect_turns(world.worker(), world.stores)
    assert sorted(await turns_in(world)) == sorted(expected)
    await verify_audit(world.worker(), world.stores)


async def test_who_appends_at_once_comes_one_after_the_other(world: World) -> None:
    """Sixteen appends at the same time make sixteen segments in one chain."""
    entries = [[{"kind": "note", "at": 0.0, "n": n}] for n in range(16)]
    await asyncio.gather(*(append_audit(world.worker(f"w{n}"), world.stores, entries[n]) for n in range(16)))
    found, _ = await read_audit(world.worker(), world.stores)
    assert sorted(entry["n"] for entry in found) == list(range(16))
    assert (await verify_audit(world.worker(), world.stores)).segments == 16


async def test_a_lost_reply_appends_once(world: World) -> None:
    """A segment that landed without an answer is not written again under the next number."""
    engine = world.worker("w", Plan(on("objects.put", LostReply()), clock=world.clock))
    await append_audit(engine, engine.stores(TENANT), [{"kind": "note", "at": 0.0}])
    assert (await verify_audit(world.worker(), world.stores)).segments == 1


async def three(world: World) -> None:
    """A log of three segments."""
    for n in range(3):
        await append_audit(world.worker(), world.stores, [{"kind": "note", "at": 0.0, "n": n}])


def stored(number: int) -> str:
    """A segment's key in the server."""
    return f"{TENANT}/{segment_key(number)}"


@pytest.mark.promise("P8")
async def test_a_changed_entry_is_found(world: World) -> None:
    """One byte changed in the middle breaks the link behind it; in the last, the record of the tail tells."""
    await three(world)
    for number, said in ((2, "does not follow segment 2"), (3, "is not the one that was recorded")):
        data, at = world.server.blobs[stored(number)]
        world.server.blobs[stored(number)] = (data.replace(b'"n":', b'"m":'), at)
        with pytest.raises(Corrupt, match=said):
            await verify_audit(world.worker(), world.stores)
        world.server.blobs[stored(number)] = (data, at)


@pytest.mark.promise("P8")
async def test_a_removed_segment_is_found(world: World) -> None:
    """A segment taken out of the middle, the beginning or the end is missed."""
    await three(world)
    for number in (1, 2, 3):
        taken = world.server.blobs.pop(stored(number))
        with pytest.raises(Corrupt, match=r"has no segment|ends at 2, 3 was recorded"):
            await verify_audit(world.worker(), world.stores)
        world.server.blobs[stored(number)] = taken


@pytest.mark.promise("P8")
async def test_rows_out_of_order_are_found(world: World) -> None:
    """Two segments that changed places are named."""
    await three(world)
    blobs = world.server.blobs
    blobs[stored(1)], blobs[stored(2)] = blobs[stored(2)], blobs[stored(1)]
    with pytest.raises(Corrupt, match="holds segment 2"):
        await verify_audit(world.worker(), world.stores)


async def test_an_archive_that_is_down_costs_no_turn(world: World) -> None:
    """A collection fails while the store is down, and the next one has everything."""
    expected = await talk(world)
    world.server.failure = ConnectionResetError("down")
    with pytest.raises(Unavailable):
        await collect_turns(world.worker(), world.stores)
    world.server.failure = None
    await collect_turns(world.worker(), world.stores)
    assert sorted(await turns_in(world)) == sorted(expected)


@pytest.mark.defect(57)
async def test_the_log_says_nothing_of_what_was_said(world: World) -> None:
    """No word of a message or reply is in the log, and the conversation's text can be removed without breaking it."""
    turn = await world.say("my secret is 4711")
    await collect_turns(world.worker(), world.stores)
    log = b"".join(data for key, (data, _) in world.server.blobs.items() if "archive/audit" in key)
    assert b"4711" not in log
    assert await remove_conversations(world.worker(), world.stores, SessionId(turn.session_id)) == 1
    assert not any(b"4711" in data for key, (data, _) in world.server.blobs.items() if "archive/" in key)
    await verify_audit(world.worker(), world.stores)


async def test_a_data_set_has_no_secrets(world: World) -> None:
    """Every conversation is one line of chat messages, with addresses and keys replaced and counted."""
    await world.say("I am ada@example.org, key sk-abcdefghijklmnop, customer C-123456")
    written: list[bytes] = []
    rules = [*parse_rules(["customer=C-[0-9]{6}"]), *DEFAULT_RULES]
    done = await export_dataset(world.worker(), world.stores, written.append, rules=rules)
    (line,) = [json.loads(each) for each in written]
    assert line["messages"][0] == {"role": "user", "content": "I am [email], key [key], customer [customer]"}
    assert done.redacted["email"] >= 1
    assert not any(b"example.org" in each or b"sk-abc" in each for each in written)


@pytest.mark.parametrize("rule", ["nameless", "=x", "a=", "a=("])
def test_a_rule_that_is_none_is_named(rule: str) -> None:
    """A redaction rule without a name, a pattern or with a broken one is refused."""
    with pytest.raises(Invalid, match="redaction rule"):
        parse_rules([rule])
