"""A damaged, missing or foreign object, or a backend that does not answer, is an error; never None, never less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from outlive.core.keys import SessionId, pack_prefix
from outlive.errors import Corrupt, SchemaTooNew, Unavailable
from outlive.protocols import At, Keep
from outlive.testing.faults import ErrorBefore, LostReply, Plan, every
from tests.store.conftest import AREA, KEY, SUB, Outage, World, chain, entry

DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "flipped at the end": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "flipped in the checksum": lambda data: data[:21] + bytes([data[21] ^ 1]) + data[22:],
    "cut": lambda data: data[:-5],
    "emptied": lambda _: b"",
    "lengthened": lambda data: data + b"\0",
    "not a pack": lambda _: b"<html>404</html>" * 10,
    "gone": lambda _: None,
}


@pytest.mark.promise("P8")
@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
async def test_a_damaged_pack_is_named(world: World, damage: Callable[[bytes], bytes | None], which: int) -> None:
    """Whatever happened to whichever live pack, `load` names it and returns nothing."""
    for uuid in "abc":
        await world.store().append(KEY, [entry(uuid)])
    name = await world.damage(damage, which=which)
    with pytest.raises(Corrupt, match=name):
        await world.store().load(KEY)


async def test_a_damaged_session_is_not_written_to(world: World) -> None:
    """A process that would have to guess what is there refuses to append, and can go on once the pack is restored."""
    await world.store().append(KEY, [entry("a")])
    saved: list[bytes] = []
    name = await world.damage(lambda data: saved.append(data) or None)
    store = world.store()
    with pytest.raises(Corrupt, match=name):
        await store.append(KEY, [entry("b", "a")])
    await world.objects.put(AREA + pack_prefix(SessionId((await world.head()).packs_id)) + name, saved[0])
    await store.append(KEY, [entry("c", "b")])
    assert await world.uuids() == ["a", "b", "c"]


@pytest.mark.promise("P8")
async def test_another_sessions_pack_is_not_taken_for_ones_own(world: World) -> None:
    """A whole pack of another session, put under the right name, is found out."""
    other = {**KEY, "session_id": "s2"}
    await world.store().append(KEY, [entry("a")])
    await world.store().append(other, [entry("a")])
    head = await world.head(other)
    foreign = await world.objects.get(AREA + pack_prefix(SessionId(head.packs_id)) + head.packs[0].name)
    name = await world.damage(lambda _: foreign)
    with pytest.raises(Corrupt, match=name):
        await world.store().load(KEY)


@pytest.mark.promise("P8")
async def test_an_older_pack_of_the_same_session_is_found_out(world: World) -> None:
    """A pack that is whole, and even the session's own, but not the one committed under this name, is refused."""
    await world.store().append(KEY, [entry("a")])
    head = await world.head()
    older = await world.objects.get(AREA + pack_prefix(SessionId(head.packs_id)) + head.packs[0].name)
    await world.store().append(KEY, [entry("b")])
    name = await world.damage(lambda _: older)
    with pytest.raises(Corrupt, match=name):
        await world.store().load(KEY)


async def rewrite_head(world: World, body: bytes) -> None:
    """Put other bytes into the session's record."""
    row = await world.row()
    assert row is not None
    await world.table.write(row.key, body, expected=At(row.version, row.fence), lease=Keep(), expires_at=None)


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"null", b"\xff", b'{"schema":1}', b'{"schema":"x"}'])
async def test_a_damaged_record_is_named(world: World, body: bytes) -> None:
    """A record that is no head is `Corrupt` by its key, for reading, appending and listing."""
    await world.store().append(KEY, [entry("a")])
    await rewrite_head(world, body)
    for call in (world.store().load(KEY), world.store().append(KEY, [entry("b")]), world.store().list_sessions("proj")):
        with pytest.raises(Corrupt, match="proj/s1"):
            await call


async def test_a_newer_schema_is_left_alone(world: World) -> None:
    """A session written by a newer outlive is neither read, written nor deleted, and the error says to upgrade."""
    await world.store().append(KEY, [entry("a")])
    await rewrite_head(world, b'{"schema":99}')
    for call in (world.store().load(KEY), world.store().append(KEY, [entry("b")]), world.store().delete(KEY)):
        with pytest.raises(SchemaTooNew, match="Upgrade"):
            await call


CALLS: dict[str, Callable[[Any], Any]] = {
    "load": lambda store: store.load(KEY),
    "load of a subpath": lambda store: store.load(SUB),
    "load of what is not there": lambda store: store.load({**KEY, "session_id": "none"}),
    "list_sessions": lambda store: store.list_sessions("proj"),
    "list_session_summaries": lambda store: store.list_session_summaries("proj"),
    "list_subkeys": lambda store: store.list_subkeys(KEY),
    "delete": lambda store: store.delete(KEY),
    "delete of a subpath": lambda store: store.delete(SUB),
    "sweep": lambda store: store.sweep(),
}


@pytest.mark.promise("P7")
@pytest.mark.parametrize("action", [ErrorBefore(), LostReply()])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_a_table_that_fails_is_an_error(world: World, call: Callable[[Any], Any], action: Any) -> None:
    """While the table does not answer, nothing looks as if it were not there."""
    await world.store().append(KEY, chain("a"))
    await world.store().append(SUB, chain("b"))
    with pytest.raises(Unavailable):
        await call(world.store(Plan(every("table", action))))


@pytest.mark.promise("P7")
@pytest.mark.parametrize("key", [KEY, SUB])
async def test_objects_that_fail_are_an_error(world: World, key: dict[str, str]) -> None:
    """While the objects do not answer, `load` fails."""
    await world.store().append(KEY, chain("a"))
    await world.store().append(SUB, chain("b"))
    with pytest.raises(Unavailable):
        await world.store(Plan(every("objects", ErrorBefore()))).load(key)


async def test_a_failed_look_is_made_again(world: World) -> None:
    """A load that failed half way leaves no half knowledge: the next one shows what was written meanwhile."""
    outage = Outage("objects", ErrorBefore())
    store = world.store(Plan(outage))
    outage.over = True
    await store.append(KEY, [entry("a")])
    await world.store().append(KEY, [entry("b")])
    outage.over = False
    with pytest.raises(Unavailable):
        await store.load(KEY)
    outage.over = True
    assert [e["uuid"] for e in await store.load(KEY)] == ["a", "b"]
