"""What appends and loads cost, counted: flat per append and few objects per load, at any length."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from outlive.core.packs import encode_pack
from outlive.core.store_logs import encode_batch
from outlive.flows.session_store.commit_log import SWEEP_EVERY
from outlive.memory.objects import MemoryObjects
from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.testing.clock import ManualClock
from outlive.testing.counting import Counts
from tests.store.conftest import KEY, SUB, World, entry

WORDS = [f"{number:x}" * 2 for number in range(3000)]


def turns(count: int) -> list[list[dict[str, Any]]]:
    """Batches as the CLI mirrors them: a prompt, an answer and a note, then what the turn cost."""
    random, parent, batches = Random(1), None, []
    for number in range(count):
        if number % 2:
            batches.append([{"type": "cost-state", "total": random.random(), "tokens": random.randrange(10**6)}])
            continue
        said, answer = f"{random.getrandbits(128):032x}", f"{random.getrandbits(128):032x}"
        text = " ".join(random.choices(WORDS, k=110))
        batches.append([entry(said, parent, message=text[:120]), entry(answer, said, message=text[120:])])
        parent = answer
    return batches


@dataclass(frozen=True)
class Measured:
    """A session of `count` appends through one store, and one load by another."""

    count: int
    appends: Counts
    load: Counts
    alone: int
    """Bytes of the batches when each is packed by itself."""
    row: int
    """Bytes of the record."""
    objects: int
    """Stored in the end."""


async def measure(world: World, count: int) -> Measured:
    """Fill a session and load it."""
    store = world.store()
    for batch in turns(count):
        await store.append(KEY, batch)
    appends, row = world.counts.copy(), await world.row()
    await world.store().load(KEY)
    encoded = (encode_batch("", batch) for batch in turns(count))
    alone = sum(len(encode_pack({}, b"".join(line.data for line in batch.lines))) for batch in encoded)
    objects = len(await world.objects_below())
    return Measured(count, appends, world.counts - appends, alone, len(row.body) if row else 0, objects)


@pytest.fixture(scope="module", params=[10, 100, 1000])
def measured(request: pytest.FixtureRequest) -> Measured:
    """The figures of short and long sessions."""
    server, clock = MemoryServer(), ManualClock()
    world = World(MemoryTable(server), MemoryObjects(server, clock=clock), clock)
    return asyncio.run(measure(world, request.param))


def test_an_append_is_one_object_and_one_record(measured: Measured) -> None:
    """One PUT and one conditional write each, and one read when the session is opened."""
    calls = measured.appends.calls
    assert (calls["objects.put"], calls["table.write"], calls["table.read"]) == (measured.count, measured.count, 1)


def test_compaction_reads_nothing_back(measured: Measured) -> None:
    """What an append takes over from older packs is still in memory."""
    assert measured.appends.objects_get == 0


def test_sweeps_are_rare(measured: Measured) -> None:
    """Three requests in `SWEEP_EVERY` appends, and never more dead packs than that."""
    calls = measured.appends.calls
    assert calls["objects.list"] + calls["objects.delete"] <= 3 * (measured.count // SWEEP_EVERY)
    assert measured.objects <= 4 + SWEEP_EVERY


def test_a_load_reads_few_objects(measured: Measured) -> None:
    """One read of the record and four objects at most, in a process that knows nothing."""
    calls = measured.load.calls
    assert calls["table.read"] == 1
    assert calls.total() == 1 + calls["objects.get"] <= 5


def test_a_record_stays_small(measured: Measured) -> None:
    """Two write units an append, on a table that bills by the kilobyte."""
    assert measured.row < 2000
    assert measured.appends.table_write_units <= 2 * measured.count


def test_compaction_rewrites_little(measured: Measured) -> None:
    """All bytes put, over those of the batches packed alone, grow with the fourth root of the length."""
    assert measured.appends.objects_put_bytes <= 1.4 * measured.count**0.25 * measured.alone


async def test_one_pack_is_enough(memory_world: World) -> None:
    """With `max_packs=1` a load reads one object, whatever was appended."""
    store = memory_world.store(max_packs=1)
    for batch in turns(50):
        await store.append(KEY, batch)
    before = memory_world.counts.copy()
    assert await memory_world.store().load(KEY) == [each for batch in turns(50) for each in batch]
    assert (memory_world.counts - before).objects_get == 1


async def test_a_resume_with_subagents_reads_each_object_once(world: World) -> None:
    """Main transcript, list of subagents and ten subagents, one after the other as the SDK does: four objects."""
    store = world.store()
    for number in range(40):
        await store.append(KEY, [entry(f"m{number}")])
        await store.append({**SUB, "subpath": f"subagents/agent-{number % 10}"}, [entry(f"s{number}")])
    before, store = world.counts.copy(), world.store()
    await store.load(KEY)
    for subpath in await store.list_subkeys(KEY):
        await store.load({**KEY, "subpath": subpath})
    cost = world.counts - before
    assert (cost.objects_get <= 4, cost.table_reads) == (True, 12)


async def test_an_append_after_a_load_reads_nothing(world: World) -> None:
    """A resumed session's first append costs what every append costs."""
    await world.store().append(KEY, [entry("a")])
    store = world.store()
    await store.load(KEY)
    before = world.counts.copy()
    await store.append(KEY, [entry("b", "a")])
    assert dict((world.counts - before).calls) == {"objects.put": 1, "table.write": 1}


async def test_memory_is_bounded(memory_world: World) -> None:
    """More sessions than `open_sessions` and more packs than `cache_bytes` are forgotten and read again."""
    store = memory_world.store(open_sessions=3, cache_bytes=2000)
    keys = [{**KEY, "session_id": f"s{number}"} for number in range(9)]
    for turn in range(3):
        for key in keys:
            await store.append(key, [entry(f"u{turn}", text="x" * 500)])
    assert len(store._parts.sessions()) == 3
    assert 0 < store._parts.cache.size <= 2000
    assert [await memory_world.uuids(key) for key in keys] == [["u0", "u1", "u2"]] * 9
