"""Several stores on one session: all entries kept in one order, or, with `single_writer`, the stale one refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from outlive.core.store_heads import COMMITS_WINDOW
from outlive.errors import LeaseLost, Unavailable
from outlive.testing.clock import SkewedClock
from outlive.testing.faults import ErrorBefore, LostReply, Plan
from outlive.testing.wrappers import wrap
from tests.store.conftest import KEY, SUB, Outage, World, chain, entry, note

TURNS = 12


async def write(store: Any, name: str, key: dict[str, str] = KEY, turns: int = TURNS) -> None:
    """Append entries with and without uuid, one at a time."""
    for turn in range(turns):
        await store.append(key, [entry(f"{name}{turn}"), note(f"{name}{turn}")])


def of(name: str, entries: list[dict[str, Any]]) -> list[str]:
    """What of this writer is there, in order."""
    texts = [e.get("uuid") or e["lastPrompt"] for e in entries]
    return [text for text in texts if text.startswith(name)]


@pytest.mark.promise("P5")
@pytest.mark.parametrize("max_packs", [1, 4])
async def test_every_entry_of_every_writer_is_kept(world: World, max_packs: int) -> None:
    """Three stores with clocks hours apart append at once: nothing is lost or doubled, each keeps its own order."""
    stores = [world.store(clock=SkewedClock(world.clock, ahead=h * 3600.0), max_packs=max_packs) for h in (-5, 0, 5)]
    await asyncio.gather(*(write(store, name) for store, name in zip(stores, "xyz", strict=True)))
    loaded = await world.store().load(KEY)
    for name in "xyz":
        assert of(name, loaded) == [f"{name}{turn}" for turn in range(TURNS) for _ in range(2)]


async def test_all_readers_see_one_order(world: World) -> None:
    """The order that a writer loads is the order that everybody else loads."""
    stores = [world.store(), world.store()]
    await asyncio.gather(*(write(store, name) for store, name in zip(stores, "xy", strict=True)))
    first, second, third = [await store.load(KEY) for store in (*stores, world.store())]
    assert first == second == third


async def test_the_same_batch_from_two_writers_is_there_once(world: World) -> None:
    """Two hosts that mirror the same entries leave one of each uuid, and all entries without one."""
    await asyncio.gather(*(world.store().append(KEY, [*chain("a", "b"), note()]) for _ in range(2)))
    loaded = await world.store().load(KEY)
    assert ([e["uuid"] for e in loaded if "uuid" in e], loaded.count(note())) == (["a", "b"], 2)


async def test_tasks_of_one_store_do_not_disturb_each_other(world: World) -> None:
    """Concurrent appends through one store, to several logs of a session, all arrive, each once."""
    store = world.store()
    await asyncio.gather(*(write(store, name, key) for name, key in [("x", KEY), ("y", SUB), ("z", KEY)]))
    main, sub = await world.store().load(KEY), await world.store().load(SUB)
    assert [len(of(name, log)) for name, log in [("x", main), ("y", sub), ("z", main)]] == [2 * TURNS] * 3


@pytest.mark.parametrize(("turns", "max_packs"), [(5, 1), (5, 4), (COMMITS_WINDOW + 4, 99)])
async def test_a_lost_reply_under_other_commits_is_understood(world: World, turns: int, max_packs: int) -> None:
    """A commit that landed unanswered and was built upon by another writer is neither lost nor repeated."""
    writes: list[str] = []

    async def around(name: str, arguments: tuple[object, ...], call: Callable[[], Awaitable[Any]], /) -> Any:
        if name == "table.write" and not writes:
            writes.append(name)
            await call()
            await write(world.store(max_packs=max_packs), "other", turns=turns)
            raise Unavailable
        return await call()

    table, world.table = world.table, wrap(world.table, "table", around)
    mine = world.store()
    world.table = table
    await mine.append(KEY, [entry("mine"), note("mine")])
    assert of("mine", await world.store().load(KEY)) == ["mine", "mine"]


async def test_what_another_writer_stored_is_known(world: World) -> None:
    """An entry that another host appended meanwhile is ignored when this one appends it too."""
    mine = world.store()
    await mine.append(KEY, [entry("a")])
    await world.store().append(KEY, [entry("b")])
    await mine.append(KEY, [entry("b"), entry("c")])
    assert await world.uuids() == ["a", "b", "c"]


async def test_a_session_begun_anew_is_not_mistaken_for_the_old_one(world: World) -> None:
    """Deleted and written again elsewhere, up to the very same version: what this process had in memory is void."""
    unaware = world.store()
    for uuid in "ab":
        await unaware.append(KEY, [entry(uuid)])
    await world.store().delete(KEY)
    for uuid in "bc":
        await world.store().append(KEY, [entry(uuid)])
    assert [e["uuid"] for e in await unaware.load(KEY)] == ["b", "c"]


def interrupted(world: World, call: str, meanwhile: Callable[[], Awaitable[None]]) -> Any:
    """A store before whose first such call something else happens."""
    done: list[bool] = []

    async def around(name: str, arguments: tuple[object, ...], perform: Callable[[], Awaitable[Any]], /) -> Any:
        if name == call and not done:
            done.append(True)
            await meanwhile()
        return await perform()

    table, objects = world.table, world.objects
    world.table, world.objects = wrap(table, "table", around), wrap(objects, "objects", around)
    store = world.store()
    world.table, world.objects = table, objects
    return store


async def test_a_load_during_compaction_is_whole(world: World) -> None:
    """A reader whose packs are merged and removed under it reads again, and returns what was there and more."""
    await write(world.store(), "before")
    reader = interrupted(world, "objects.get", lambda: write(world.store(max_packs=1), "after", turns=40))
    loaded = await reader.load(KEY)
    assert (len(of("before", loaded)), len(of("after", loaded))) == (2 * TURNS, 80)


async def test_an_append_during_compaction_is_stored(world: World) -> None:
    """A writer whose packs are merged and removed while it reads them appends behind what was written meanwhile."""
    await write(world.store(), "before")
    late = interrupted(world, "objects.get", lambda: write(world.store(max_packs=1), "after", turns=40))
    await late.append(KEY, [entry("late"), entry("after0"), entry("before0")])
    assert (await world.uuids())[-2:] == [None, "late"]


async def test_a_sweep_leaves_a_pack_that_is_about_to_be_committed(world: World) -> None:
    """Between another writer's object and its record nothing of it is removed, however often the session is swept."""
    await write(world.store(), "before")
    sweep = world.store().delete
    late = interrupted(world, "table.write", lambda: sweep({**KEY, "subpath": "none"}))
    await late.append(KEY, [entry("late")])
    assert (await world.uuids())[-1] == "late"


# ---------------------------------------------------------------------------------------- single_writer


@pytest.mark.promise("P4")
async def test_a_stale_writer_is_refused(world: World) -> None:
    """With `single_writer`, whoever appends on top of a state that has moved on is refused and changes nothing."""
    old, new = world.store(single_writer=True), world.store(single_writer=True)
    await old.append(KEY, [entry("a")])
    await new.load(KEY)
    await new.append(KEY, [entry("b", "a")])
    with pytest.raises(LeaseLost):
        await old.append(KEY, [entry("c", "a")])
    assert await world.uuids() == ["a", "b"]


async def test_a_refused_writer_stays_refused_until_it_loads(world: World) -> None:
    """The SDK's retries and later batches are refused as well, `flush` says so; a load starts anew."""
    old = world.store(single_writer=True)
    await old.append(KEY, [entry("a")])
    await world.store().append(KEY, [entry("b", "a")])
    for call in (
        old.append(KEY, [entry("c")]),
        old.append(KEY, [entry("c")]),
        old.append(SUB, [entry("d")]),
        old.flush(),
    ):
        with pytest.raises(LeaseLost):
            await call
    await old.load(KEY)
    await old.append(KEY, [entry("e", "b")])
    assert await world.uuids() == ["a", "b", "e"]


async def test_of_two_that_begin_at_once_one_writes(world: World) -> None:
    """Two stores that both find no session: exactly one of them gets to write it."""
    stores = [world.store(single_writer=True) for _ in range(2)]
    results = await asyncio.gather(*(write(s, n) for s, n in zip(stores, "xy", strict=True)), return_exceptions=True)
    loaded = await world.store().load(KEY)
    assert sorted(type(result) for result in results if result) == [LeaseLost]
    assert sorted([len(of("x", loaded)), len(of("y", loaded))]) == [0, 2 * TURNS]


async def test_a_writers_own_lost_reply_is_not_another_writer(world: World) -> None:
    """A commit of its own that it never heard of does not make a single writer refuse itself."""
    outage = Outage("table", LostReply())
    store = world.store(Plan(outage), single_writer=True)
    outage.over = True
    await store.append(KEY, [entry("a")])
    outage.over = False
    with pytest.raises(Unavailable):
        await store.append(KEY, [entry("b", "a")])
    outage.over = True
    await store.append(KEY, [entry("c", "b")])
    assert await world.uuids() == ["a", "b", "c"]


async def test_a_writer_that_loaded_before_another_wrote_is_refused(world: World) -> None:
    """What a single writer builds on is what it loaded, not what is there when it comes to write."""
    await world.store().append(KEY, [entry("a")])
    stale = world.store(single_writer=True)
    await stale.load(KEY)
    await world.store().append(KEY, [entry("b", "a")])
    with pytest.raises(LeaseLost):
        await stale.append(KEY, [entry("c", "a")])


async def test_a_single_writer_does_not_refuse_itself(world: World) -> None:
    """Its own commits, a repeated batch and a subagent's deletion are no other writer's doing."""
    store = world.store(single_writer=True)
    for uuids in ("a", "b", "ab", "c"):
        await store.append(KEY, [entry(uuid) for uuid in uuids])
        await store.append(SUB, [entry(uuid) for uuid in uuids])
    await store.delete(SUB)
    await store.append(KEY, [entry("d"), entry("a")])
    assert await world.uuids() == ["a", "b", "c", "d"]


async def test_a_refused_batch_is_stored_when_it_is_appended_again_after_a_load(world: World) -> None:
    """A single writer that was refused, loads and appends the very same batch again has it stored, not only said so."""
    first, second = world.store(single_writer=True), world.store(single_writer=True)
    await first.load(KEY)
    await second.append(KEY, chain("a"))
    await first.load(KEY)
    await second.append(KEY, chain("b", after="a"))
    with pytest.raises(LeaseLost):
        await first.append(KEY, chain("c", after="a"))
    await first.load(KEY)
    await first.append(KEY, chain("c", after="a"))
    assert await world.uuids() == ["a", "b", "c"]


async def test_a_batch_refused_while_it_waited_is_stored_when_it_is_appended_again(world: World) -> None:
    """The same when the refusal came out in a load that tried to store what an outage had kept waiting."""
    outage = Outage("table", LostReply())
    outage.over = True
    first, second = world.store(Plan(outage), single_writer=True), world.store(single_writer=True)
    await first.append(KEY, chain("a"))
    outage.rule, outage.over = (lambda _: ErrorBefore()), False
    with pytest.raises(Unavailable):
        await first.append(KEY, chain("c", after="a"))
    outage.over = True
    await second.load(KEY)
    await second.append(KEY, chain("b", after="a"))
    await first.load(KEY)
    await first.append(KEY, chain("c", after="a"))
    assert await world.uuids() == ["a", "b", "c"]
