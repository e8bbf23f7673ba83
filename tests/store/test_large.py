"""Large entries, large batches and long transcripts are stored and loaded exactly."""

from __future__ import annotations

import pytest

from outlive.core.keys import SessionId
from outlive.core.packs import PackRef, pack_name
from outlive.core.store_heads import StoreHead, decode_store_head, encode_store_head
from tests.store.conftest import KEY, World, chain, entry

MB = 1 << 20


@pytest.mark.promise("P13")
async def test_ten_thousand_entries(world: World) -> None:
    """In one batch and in ten, all entries come back in order."""
    entries = chain(*(f"u{number}" for number in range(10_000)))
    for start in range(0, 5_000, 500):
        await world.store().append(KEY, entries[start : start + 500])
    await world.store().append(KEY, entries)
    assert await world.store().load(KEY) == entries


@pytest.mark.promise("P13")
async def test_strings_of_a_megabyte(world: World) -> None:
    """An image in an entry, twice, as tool results are."""
    image = "".join(f"{number * 2654435761 % 2**32:08x}" for number in range(MB // 8))
    entries = [entry("a", message=image, toolUseResult=image), entry("b", "a", message="\x00" * MB)]
    await world.store().append(KEY, entries)
    assert await world.store().load(KEY) == entries


@pytest.mark.promise("P13")
async def test_a_transcript_of_50_mb(world: World) -> None:
    """Fifty entries of a megabyte, in ten appends: loaded whole, from four objects, without reading one twice."""
    store, text = world.store(), "".join(map(str, range(195_000)))
    for start in range(0, 50, 5):
        await store.append(KEY, [entry(f"u{n}", message=f"{n}{text}") for n in range(start, start + 5)])
    before = world.counts.copy()
    loaded = await world.store().load(KEY)
    assert [e["message"] for e in loaded] == [f"{number}{text}" for number in range(50)]
    assert (world.counts - before).objects_get <= 4


def test_a_head_comes_back_as_it_was() -> None:
    """Awkward ids and summaries survive the record's encoding."""
    ref = PackRef(pack_name(3, 2**63, 70_000), 10, "ab" * 16, 20)
    head = StoreHead("s\x00\u00e4", SessionId("0" * 32), 1.5, (ref,), (ref.name,), 7, {"t": "x\ud83d"}, 2, True)
    assert decode_store_head(encode_store_head(head), "r") == head
