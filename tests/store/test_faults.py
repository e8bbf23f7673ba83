"""A backend that fails, loses replies or dies costs time, never an entry, a copy or the order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain as concatenated
from typing import Any

import pytest
from claude_agent_sdk._internal import transcript_mirror_batcher as sdk

from outlive.errors import Unavailable
from outlive.testing.faults import (
    Action,
    Crash,
    CrashAfter,
    CrashBefore,
    Delay,
    ErrorBefore,
    LostReply,
    Pass,
    Plan,
    at,
    on,
)
from tests.store.conftest import KEY, SUB, Outage, World, chain, entry, note

NewWorld = Callable[[str], Awaitable[World]]
WRITES = ["table.write", "objects.put"]
BATCHES = [[*chain("a", "b"), note("1")], [note("2"), note("2")], [entry("c", "b"), note("3")]]
ALL = [e for batch in BATCHES for e in batch]


async def steps_of_three_appends(new_world: NewWorld) -> int:
    """How many awaited calls the three batches take."""
    plan = Plan()
    store = (await new_world("memory")).store(plan, max_packs=1)
    for batch in BATCHES:
        await store.append(KEY, batch)
    return len(plan.steps)


@pytest.mark.promise("P6")
@pytest.mark.parametrize("action", [ErrorBefore(), LostReply()])
async def test_one_failure_anywhere_is_not_even_noticed(new_world: NewWorld, action: Action) -> None:
    """Whichever call fails once, or loses its reply, every entry is stored once, in order, with no error."""
    for number in range(1, await steps_of_three_appends(new_world) + 1):
        world = await new_world("memory")
        store = world.store(Plan(at(number, action)), max_packs=1)
        for batch in BATCHES:
            await store.append(KEY, batch)
        assert await world.store().load(KEY) == ALL, f"call {number}"


async def append_all(store: Any) -> int:
    """How many of the batches are acknowledged before the process dies."""
    for acknowledged, batch in enumerate(BATCHES):
        try:
            await store.append(KEY, batch)
        except Crash:
            return acknowledged
    return len(BATCHES)


@pytest.mark.promise("P1")
@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()])
async def test_a_crash_anywhere_loses_nothing_acknowledged(new_world: NewWorld, action: Action) -> None:
    """Whichever call the process dies at, what it had acknowledged is loaded, and at most the running batch besides."""
    for number in range(1, await steps_of_three_appends(new_world) + 1):
        world = await new_world("memory")
        acknowledged = await append_all(world.store(Plan(at(number, action)), max_packs=1))
        loaded = await world.store().load(KEY) or []
        assert loaded in [list(concatenated(*BATCHES[:count])) for count in (acknowledged, acknowledged + 1)]


@pytest.mark.parametrize("action", [CrashBefore(), CrashAfter()])
async def test_after_a_crash_the_next_process_goes_on(new_world: NewWorld, action: Action) -> None:
    """Whichever call the process dies at, the next one appends all uuids anew and each is there once, in order."""
    for number in range(1, await steps_of_three_appends(new_world) + 1):
        world = await new_world("memory")
        await append_all(world.store(Plan(at(number, action)), max_packs=1))
        await world.store().append(KEY, chain("a", "b", "c", "d"))
        assert [uuid for uuid in await world.uuids() if uuid] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("name", ["table", "objects"])
@pytest.mark.parametrize("action", [ErrorBefore(), LostReply()])
async def test_a_retry_after_an_outage_stores_the_batch_once(world: World, name: str, action: Action) -> None:
    """The SDK's own retries of a batch, landed or not, leave one copy of it, entries without uuid included."""
    outage = Outage(name, action)
    store, batch = world.store(Plan(outage)), [*chain("a", "b"), note(), note()]
    outage.over = True
    await store.append(KEY, [note()])
    outage.over = False
    for _ in range(2):
        with pytest.raises(Unavailable, match="kept in memory"):
            await store.append(KEY, batch)
    outage.over = True
    await store.append(KEY, list(batch))
    assert await world.store().load(KEY) == [note(), *batch]


@pytest.mark.promise("P6")
@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("action", [ErrorBefore(), LostReply()])
async def test_a_batch_the_caller_gave_up_comes_before_the_next(world: World, name: str, action: Action) -> None:
    """What could not be stored is stored, once, in front of what is appended later, to whichever log."""
    outage = Outage(name, action)
    store = world.store(Plan(outage))
    for key, batch in [(KEY, BATCHES[0]), (SUB, [entry("s")]), (KEY, BATCHES[1])]:
        with pytest.raises(Unavailable):
            await store.append(key, batch)
    outage.over = True
    await store.append(KEY, BATCHES[2])
    assert (await world.store().load(KEY), await world.store().load(SUB)) == (ALL, [entry("s")])


@pytest.mark.parametrize("action", [ErrorBefore(), LostReply()])
async def test_a_retry_is_known_although_a_load_was_first(world: World, action: Action) -> None:
    """A load between a failed append and its retry stores the batch; the retry then adds nothing."""
    outage = Outage("table.write", action)
    store, batch = world.store(Plan(outage)), [note(), entry("a")]
    with pytest.raises(Unavailable):
        await store.append(KEY, batch)
    outage.over = True
    assert await store.load(KEY) == batch
    await store.append(KEY, batch)
    assert await world.store().load(KEY) == batch


async def test_an_equal_batch_is_no_retry_when_nothing_failed(world: World) -> None:
    """Only what follows a failed append at once is taken for its retry: later equal batches are kept."""
    outage = Outage("table.write", LostReply())
    store = world.store(Plan(outage))
    with pytest.raises(Unavailable):
        await store.append(KEY, [note()])
    outage.over = True
    for _ in range(3):
        await store.append(KEY, [note()])
    assert await world.store().load(KEY) == [note()] * 3


@pytest.mark.promise("P6")
async def test_what_waits_is_not_left_out_of_a_load(world: World) -> None:
    """While entries of this process cannot be stored, `load` and `flush` fail rather than show less."""
    outage = Outage("objects.put", ErrorBefore())
    store = world.store(Plan(outage))
    with pytest.raises(Unavailable):
        await store.append(KEY, [entry("a")])
    for call in (store.load(KEY), store.flush(), store.flush(KEY)):
        with pytest.raises(Unavailable):
            await call
    outage.over = True
    await store.flush()
    assert await world.uuids() == ["a"]


async def test_a_write_that_lands_late_does_no_harm(memory_world: World) -> None:
    """An unanswered commit that takes effect only when the retry is on its way is neither lost nor doubled."""
    late: list[Callable[[], Awaitable[Any]]] = []
    store, real = memory_world.store(), memory_world.table.write

    async def write(*args: Any, **named: Any) -> Any:
        if not late:
            late.append(lambda: real(*args, **named))
            raise Unavailable
        if len(late) == 1:
            await late[0]()
            late.append(late[0])
        return await real(*args, **named)

    memory_world.table.write = write  # type: ignore[method-assign]
    await store.append(KEY, [entry("a"), note()])
    await store.append(KEY, [entry("b", "a")])
    assert await memory_world.store().load(KEY) == [entry("a"), note(), entry("b", "a")]


async def test_a_write_that_lands_after_everybody_gave_up_does_no_harm(memory_world: World) -> None:
    """A commit that lands when its append had failed and the next one, longer by a batch, is about to be written."""
    store, real, late = memory_world.store(), memory_world.table.write, list[Callable[[], Awaitable[Any]]]()

    async def fail(*args: Any, **named: Any) -> Any:
        late.append(lambda: real(*args, **named))
        raise Unavailable

    async def land_first(*args: Any, **named: Any) -> Any:
        memory_world.table.write = real  # type: ignore[method-assign]
        await late[0]()
        return await real(*args, **named)

    memory_world.table.write = fail  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await store.append(KEY, BATCHES[0])
    memory_world.table.write = land_first  # type: ignore[method-assign]
    await store.append(KEY, BATCHES[1])
    assert await memory_world.store().load(KEY) == BATCHES[0] + BATCHES[1]
    assert await memory_world.objects_below() == [
        f"acme/store/sessions/{(await memory_world.head()).packs_id}/packs/{ref.name}"
        for ref in (await memory_world.head()).packs
    ]


class Asleep:
    """A clock on which nobody wakes up, and that tells when somebody fell asleep."""

    def __init__(self) -> None:
        self.asleep = asyncio.Event()

    def now(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await asyncio.Event().wait()


@pytest.mark.parametrize("name", WRITES)
async def test_a_cancelled_append_is_caught_up_with(world: World, name: str) -> None:
    """An append cut off while a call hangs leaves its entries to be stored by the next one, in front."""
    clock = Asleep()
    store = world.store(Plan(on(name, Delay(1.0)), clock=clock))
    appending = asyncio.create_task(store.append(KEY, BATCHES[0]))
    await clock.asleep.wait()
    appending.cancel()
    await asyncio.wait({appending})
    assert appending.cancelled()
    await store.append(KEY, BATCHES[1])
    assert await world.store().load(KEY) == BATCHES[0] + BATCHES[1]


@pytest.mark.parametrize("name", ["put", "write"])
async def test_a_timeout_error_never_reaches_the_sdk(memory_world: World, name: str) -> None:
    """A backend's TimeoutError comes out as `Unavailable`: at a TimeoutError the SDK gives a batch up at once."""

    async def late(*args: Any, **named: Any) -> Any:
        raise TimeoutError

    store = memory_world.store()
    setattr(memory_world.objects if name == "put" else memory_world.table, name, late)
    with pytest.raises(Unavailable, match="kept in memory"):
        await store.append(KEY, [entry("a")])


async def test_the_backlog_has_an_end(world: World) -> None:
    """Above `backlog_bytes` entries are refused; `flush` says so, and the hole they leave is named by `load`."""
    outage = Outage("objects.put", ErrorBefore())
    store = world.store(Plan(outage), backlog_bytes=200)
    with pytest.raises(Unavailable, match="kept in memory"):
        await store.append(KEY, chain("a"))
    with pytest.raises(Unavailable, match="refused"):
        await store.append(KEY, [entry("b", "a", text="x" * 200)])
    outage.over = True
    await store.append(KEY, [entry("c", "b", text="x" * 200)])
    with pytest.raises(Unavailable, match="refused"):
        await store.flush()
    assert await world.uuids() == ["a", "c"]


async def test_a_refused_batch_may_come_again(world: World) -> None:
    """A batch for which there was no room, tried again when the backend is back, is stored and nothing is missing."""
    outage = Outage("objects.put", ErrorBefore())
    store, large = world.store(Plan(outage), backlog_bytes=200), [entry("b", "a", text="x" * 200)]
    for batch in (chain("a"), large, large):
        with pytest.raises(Unavailable):
            await store.append(KEY, batch)
    outage.over = True
    await store.append(KEY, large)
    await store.flush()
    assert await world.uuids() == ["a", "b"]


# ------------------------------------------------------------------------------ under the SDK's own batcher


def batcher(store: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[str]]:
    """The SDK's batcher in front of the store, without its pauses, and the mirror errors it reports."""
    monkeypatch.setattr(sdk, "MIRROR_APPEND_BACKOFF_S", (0.0, 0.0))
    errors: list[str] = []

    async def on_error(key: Any, message: str) -> None:
        errors.append(message)

    return sdk.TranscriptMirrorBatcher(store, "/c/projects", on_error), errors


async def mirror(batches: Any, path: str, *entries: dict[str, Any]) -> None:
    """One turn's worth of mirroring."""
    batches.enqueue(path, list(entries))
    await batches.flush()


@pytest.mark.promise("P6")
@pytest.mark.parametrize("action", [ErrorBefore(), LostReply()])
async def test_a_batch_the_sdk_drops_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch, action: Action) -> None:
    """After three failed tries the SDK reports an error and goes on; the store still has the batch, and its place."""
    outage = Outage("table", action)
    batches, errors = batcher(world.store(Plan(outage)), monkeypatch)
    for outage.over, batch in zip([True, False, True], BATCHES, strict=True):
        await mirror(batches, "/c/projects/proj/s1.jsonl", *batch)
    assert (len(errors), await world.store().load(KEY)) == (1, ALL)


async def test_a_short_outage_is_not_reported(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries that fail fewer times than store and SDK repeat them end with everything stored and no mirror error."""
    plan = Plan(lambda step: ErrorBefore() if step.name == "objects.put" and step.nth <= 9 else Pass())
    batches, errors = batcher(world.store(plan), monkeypatch)
    await mirror(batches, "/c/projects/proj/s1.jsonl", *ALL)
    assert (errors, await world.store().load(KEY)) == ([], ALL)
