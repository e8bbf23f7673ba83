"""What is deleted is gone from the table and from the objects, whatever happens meanwhile; nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from outlive.core.boilerplate import SMALL_PACKS
from outlive.core.keys import pack_prefix
from outlive.core.packs import decode_pack
from outlive.errors import Unavailable
from outlive.flows.session_store.erase_log import GRACE
from outlive.testing.faults import Action, Crash, CrashAfter, CrashBefore, ErrorBefore, LostReply, Plan, at, every
from tests.store.conftest import AREA, KEY, SUB, Outage, World, chain, entry

NewWorld = Callable[[str], Awaitable[World]]
SECRET = "the secret word"


async def filled(world: World) -> None:
    """A session with a subagent and a few packs, and a neighbour."""
    store = world.store()
    for number in range(6):
        await store.append(KEY, [entry(f"m{number}")])
        await store.append(SUB, [entry(f"s{number}", text=SECRET)])
    await store.append({**KEY, "session_id": "neighbour"}, chain("n"))


async def packs_of(world: World) -> str:
    """Where the session's packs lie."""
    return AREA + pack_prefix((await world.head()).packs_id)


async def left_below(world: World, session: str) -> tuple[bool, int]:
    """Whether there is a record of the session, and how many objects there are besides the neighbour's one."""
    return await world.row({**KEY, "session_id": session}) is not None, len(await world.objects_below()) - 1


@pytest.mark.promise("P10")
async def test_deleting_a_session_removes_every_trace(world: World) -> None:
    """Record, packs, subagents and summary are gone, and the neighbour is untouched."""
    await filled(world)
    await world.store().delete(KEY)
    assert await left_below(world, "s1") == (False, 0)
    assert [s["session_id"] for s in await world.store().list_session_summaries("proj")] == ["neighbour"]
    assert await world.uuids({**KEY, "session_id": "neighbour"}) == ["n"]


@pytest.mark.parametrize("action", [ErrorBefore(), LostReply()])
async def test_a_failure_during_a_delete_is_not_even_noticed(new_world: NewWorld, action: Action) -> None:
    """Whichever call fails once, the session is gone when `delete` returns."""
    for number in range(1, 7):
        world = await new_world("memory")
        await filled(world)
        await world.store(Plan(at(number, action))).delete(KEY)
        assert await left_below(world, "s1") == (False, 0), f"call {number}"


@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()])
@pytest.mark.parametrize("finish", ["delete", "sweep"])
async def test_a_delete_cut_short_is_finished_later(new_world: NewWorld, action: Action, finish: str) -> None:
    """Whichever call the process dies at, the session is whole or gone, and a delete or a sweep leaves no trace."""
    for number in range(1, 6):
        world = await new_world("memory")
        await filled(world)
        with pytest.raises(Crash):
            await world.store(Plan(at(number, action))).delete(KEY)
        assert len(await world.uuids()) in (0, 6)
        await world.store().delete(KEY) if finish == "delete" or await world.uuids() else await world.store().sweep()
        assert await left_below(world, "s1") == (False, 0), f"call {number}"


async def test_a_session_can_be_written_anew(world: World) -> None:
    """After a delete the same uuids are new again, for the process that deleted and for one that did not hear of it."""
    await filled(world)
    unaware = world.store()
    await unaware.append(KEY, [entry("m6")])
    await world.store().delete(KEY)
    await unaware.append(KEY, [entry("m0")])
    assert (await world.uuids(), await world.store().list_subkeys(KEY)) == (["m0"], [])


async def test_a_delete_leaves_no_entry_waiting(world: World) -> None:
    """Entries that waited for the backend are deleted with their session instead of bringing it back."""
    outage = Outage("table.write", ErrorBefore())
    store = world.store(Plan(outage))
    with pytest.raises(Unavailable):
        await store.append(KEY, [entry("a")])
    outage.over = True
    await store.delete(KEY)
    await store.flush()
    assert await world.row() is None


async def test_appends_and_deletes_at_once_leave_no_strays(world: World) -> None:
    """However they fall between each other, in the end every object belongs to a live session."""

    async def keep_appending(store) -> None:
        for number in range(15):
            await store.append(KEY, [entry(f"x{number}")])

    await asyncio.gather(keep_appending(world.store()), *(world.store().delete(KEY) for _ in range(5)))
    await world.store().delete(KEY)
    assert (await world.row(), await world.objects_below()) == (None, [])


# -------------------------------------------------------------------------------------------- subpaths


async def test_deleting_a_subpath_leaves_the_others(world: World) -> None:
    """Only that transcript is gone, also for a process that had it in memory."""
    await filled(world)
    store, other = world.store(), {**KEY, "subpath": "subagents/agent-2"}
    await store.append(other, chain("o"))
    await world.store().delete(SUB)
    await store.append(SUB, [entry("s0")])
    assert [await world.uuids(key) for key in (KEY, SUB, other)] == [[f"m{n}" for n in range(6)], ["s0"], ["o"]]


async def test_deleting_a_subpath_removes_its_bytes(world: World) -> None:
    """No stored object holds a byte of it any more, although it shared packs with the main transcript."""
    await filled(world)
    await world.store().delete(SUB)
    for key in await world.objects_below(f"{AREA}sessions/"):
        data = await world.objects.get(key)
        assert SECRET.encode() not in bytes(decode_pack(key, data, SMALL_PACKS).data)
    assert await world.uuids() == [f"m{n}" for n in range(6)]


@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()])
async def test_deleting_a_subpath_survives_a_crash(new_world: NewWorld, action: Action) -> None:
    """Whichever call the process dies at, the main transcript is whole, and another delete removes the rest."""
    for number in range(1, 9):
        world = await new_world("memory")
        await filled(world)
        try:
            await world.store(Plan(at(number, action))).delete(SUB)
        except Crash:
            assert len(await world.uuids()) == 6
        await world.store().delete(SUB)
        assert (await world.store().load(SUB), len(await world.uuids())) == (None, 6)
        live = {ref.name for ref in (await world.head()).packs}
        assert {key.rsplit("/", 1)[1] for key in await world.objects_below(await packs_of(world))} == live


async def test_deleting_what_is_not_there_is_no_error(world: World) -> None:
    """Neither for an unknown session nor for an unknown subpath, and nothing is written for either."""
    await world.store().delete(KEY)
    await world.store().delete(SUB)
    assert world.counts.table_writes == world.counts.objects_put == 0


# ---------------------------------------------------------------------------------- expiry and sweeping


@pytest.mark.promise("P10")
async def test_a_session_past_its_time_is_gone(world: World) -> None:
    """It is neither loaded nor listed, although the table still has it; an append begins a new one."""
    store = world.store(ttl_seconds=100)
    await store.append(KEY, [entry("a")])
    world.clock.advance(101)
    assert (await store.load(KEY), await store.list_sessions("proj"), await store.list_subkeys(KEY)) == (None, [], [])
    await store.append(KEY, [entry("b")])
    assert await world.uuids() == ["b"]
    assert len(await world.objects_below()) == 1


async def test_every_append_gives_a_session_its_whole_time_again(world: World) -> None:
    """The time to live slides."""
    store = world.store(ttl_seconds=100)
    for uuid in "abc":
        await store.append(KEY, [entry(uuid)])
        world.clock.advance(60)
    assert await world.uuids() == ["a", "b", "c"]


async def test_a_sweep_removes_what_nobody_can_load(memory_world: World) -> None:
    """Expired sessions and packs without a session go, and sessions that are alive stay."""
    world = memory_world
    await world.store(ttl_seconds=100).append(KEY, [entry("a")])
    alive = {**KEY, "session_id": "alive"}
    await world.store().append(alive, [entry("a")])
    with pytest.raises(Crash):
        await world.store(Plan(every("table.write", CrashBefore()))).append({**KEY, "session_id": "dead"}, [entry("a")])
    world.clock.advance(GRACE + 1)
    assert (await world.store().sweep(), await world.store().sweep()) == (2, 0)
    assert (len(await world.objects_below()), await world.uuids(alive)) == (1, ["a"])


async def test_a_sweep_leaves_a_session_that_is_being_begun(world: World) -> None:
    """Packs that were written a moment ago may get their record yet."""
    begun: list[object] = []
    real = world.table.write

    async def sweep_first(*args, **named):
        begun.append(await world.store().sweep())
        return await real(*args, **named)

    world.table.write = sweep_first
    await world.store().append(KEY, [entry("a")])
    assert (begun, await world.uuids()) == ([0], ["a"])
