"""A manifest says where every byte of a tree lies, and survives being stored whole or as a difference."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.core.manifests import (
    APPEND,
    DIR,
    FILE,
    LINK,
    Chunk,
    Entry,
    apply_index,
    delta_index,
    full_index,
    live_bytes,
    located_chunks,
    refs_from_json,
    refs_json,
    with_chunk,
)
from outlive.core.packs import PackName, PackRef, pack_name
from outlive.errors import Corrupt

PACKS = [pack_name(version, 1, 1) for version in range(1, 5)]
OLD, NEW = PACKS[:2]

LONE = "[\ud800-\udbff](?=[\udc00-\udfff])"
"""A high surrogate in front of a low one: no file name has that, and JSON reads the two as one character."""
TEXTS = st.text(st.characters(), min_size=1, max_size=8).filter(lambda text: not re.search(LONE, text))
MODES = st.integers(0, 0o777)
NUMBERS = st.integers(0, 2**40)
CHUNKS = st.lists(st.builds(Chunk, st.sampled_from(PACKS), NUMBERS, st.integers(1, 2**40)), max_size=4).map(tuple)


def content(kind: str, mode: int, chunks: tuple[Chunk, ...], digest: str = "") -> Entry:
    """A file or log made of these chunks."""
    return Entry(kind, sum(chunk.length for chunk in chunks), mode, digest, "", chunks)


ENTRIES = st.one_of(
    st.builds(content, st.just(APPEND), MODES, CHUNKS),
    st.builds(content, st.just(FILE), MODES, CHUNKS, TEXTS),
    st.builds(lambda mode, target: Entry(LINK, 0, mode, "", target), MODES, TEXTS),
    st.builds(lambda mode: Entry(DIR, 0, mode), MODES),
)
TREES = st.dictionaries(TEXTS, ENTRIES, max_size=6)
EDITS = st.lists(st.tuples(st.sampled_from(["a", "b", "c/d", "\u00e9", "\ud800"]), st.none() | ENTRIES), max_size=12)


def stored(index: Mapping[str, Any]) -> Any:
    """The index as it comes out of a pack."""
    return json.loads(json.dumps(index))


def edited(tree: Mapping[str, Entry], path: str, entry: Entry | None) -> dict[str, Entry]:
    """The tree with the path set, or without it."""
    rest = {each: old for each, old in tree.items() if each != path}
    return rest if entry is None else rest | {path: entry}


@given(TREES)
@settings(deadline=None)
def test_a_full_manifest_reads_back(tree: dict[str, Entry]) -> None:
    """A manifest stored whole reads back entry for entry, whatever the paths, kinds, modes and link targets are."""
    assert apply_index(stored(full_index(tree, PACKS)), {}, PACKS) == tree


@given(TREES, TREES)
@settings(deadline=None)
def test_a_difference_leads_from_one_tree_to_any_other(base: dict[str, Entry], tree: dict[str, Entry]) -> None:
    """A manifest stored as a difference reads back on top of its base as what it was made of."""
    assert apply_index(stored(delta_index(base, tree, PACKS)), base, PACKS) == tree


@given(TREES, EDITS)
@settings(deadline=None)
def test_a_chain_of_edits_reads_back_at_every_version(
    base: dict[str, Entry], edits: list[tuple[str, Entry | None]]
) -> None:
    """After each of any number of edits the difference to the first version reads back as the newest one."""
    tree: Mapping[str, Entry] = base
    for path, entry in edits:
        tree = edited(tree, path, entry)
        assert apply_index(stored(delta_index(base, tree, PACKS)), base, PACKS) == tree
        assert apply_index(stored(full_index(tree, PACKS)), {}, PACKS) == tree


@pytest.mark.promise("P11")
@given(TREES, EDITS)
@settings(deadline=None)
def test_a_difference_names_only_what_differs(base: dict[str, Entry], edits: list[tuple[str, Entry | None]]) -> None:
    """A difference names the paths that were changed and no other, so its size follows the change."""
    tree: Mapping[str, Entry] = base
    for path, entry in edits:
        tree = edited(tree, path, entry)
    index = delta_index(base, tree, PACKS)
    assert {*index["files"], *index.get("gone", ())} <= {path for path, _ in edits}
    assert delta_index(tree, tree, PACKS) == {"files": {}}


def test_chunks_follow_their_pack_when_it_moves_in_the_list() -> None:
    """Packs are named by place, and an index is read with the pack list it was written with, whatever the base had."""
    base = {"a": content(APPEND, 0o600, (Chunk(OLD, 0, 5),))}
    tree = base | {"b": content(APPEND, 0o600, (Chunk(OLD, 5, 1), Chunk(NEW, 0, 2)))}
    index = stored(delta_index(base, tree, [NEW, OLD]))
    assert index["files"]["b"][3] == [[1, 5, 1], [0, 0, 2]]
    assert apply_index(index, base, [NEW, OLD]) == tree


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        [],
        [1, 0o600, "d"],
        [9, 0o600, "d", []],
        ["file", 0o600, "d", []],
        [1, 0o600, "d", [[7, 0, 5]]],
        [1, 0, "d", [[0]]],
    ],
)
def test_a_garbled_entry_is_named(value: Any) -> None:
    """A manifest entry that cannot be read is `Corrupt` and names its path."""
    with pytest.raises(Corrupt, match="entry of 'work/a' cannot be read"):
        apply_index({"files": {"work/a": value}}, {}, PACKS)


@given(st.lists(st.builds(PackRef, TEXTS.map(PackName), NUMBERS, TEXTS, NUMBERS, st.booleans()), max_size=5))
@settings(deadline=None)
def test_pack_references_read_back(refs: list[PackRef]) -> None:
    """The list of live packs reads back in order, sizes and digests included."""
    assert refs_from_json(stored({"packs": refs_json(refs)})["packs"]) == tuple(refs)


# ------------------------------------------------------------------------------------------------ chunks


def spelled(chunks: Sequence[Chunk]) -> list[tuple[str, int]]:
    """Every single byte the chunks stand for, as its pack and its place there."""
    return [(chunk.pack, at) for chunk in chunks for at in range(chunk.offset, chunk.offset + chunk.length)]


SMALL_CHUNKS = st.lists(st.builds(Chunk, st.sampled_from(PACKS[:2]), st.integers(0, 6), st.integers(0, 4)), max_size=8)


@given(SMALL_CHUNKS)
@settings(deadline=None)
def test_joining_chunks_keeps_every_byte_in_order(chunks: list[Chunk]) -> None:
    """Chunks added one by one stand for the same bytes in the same order, and none is empty or touches the next."""
    joined: tuple[Chunk, ...] = ()
    for chunk in chunks:
        joined = with_chunk(joined, chunk)
    assert spelled(joined) == spelled(chunks)
    assert all(chunk.length for chunk in joined)
    ends = [(chunk.pack, chunk.offset + chunk.length) for chunk in joined[:-1]]
    assert not any(end == (chunk.pack, chunk.offset) for end, chunk in zip(ends, joined[1:], strict=True))


@pytest.mark.parametrize(
    ("new", "joined"),
    [
        (Chunk(OLD, 5, 3), (Chunk(OLD, 0, 8),)),
        (Chunk(OLD, 6, 3), (Chunk(OLD, 0, 5), Chunk(OLD, 6, 3))),
        (Chunk(NEW, 5, 3), (Chunk(OLD, 0, 5), Chunk(NEW, 5, 3))),
        (Chunk(NEW, 0, 0), (Chunk(OLD, 0, 5),)),
    ],
)
def test_only_touching_chunks_of_one_pack_are_joined(new: Chunk, joined: tuple[Chunk, ...]) -> None:
    """A chunk is joined with the last one when it starts where that ends in the same pack; an empty one is left out."""
    assert with_chunk((Chunk(OLD, 0, 5),), new) == joined


@given(st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=5))
@settings(deadline=None)
def test_live_bytes_count_what_is_used_once(files: list[list[int]]) -> None:
    """The live bytes of a pack are the bytes that any entry uses, counted once however many files share them."""
    pieces = [Chunk(PACKS[number % 2], number * 10, number + 1) for number in range(6)]
    tree = {str(at): content(FILE, 0, tuple(pieces[number] for number in file)) for at, file in enumerate(files)}
    used = {byte for entry in tree.values() for byte in spelled(entry.chunks)}
    assert live_bytes(tree) == {pack: n for pack in PACKS if (n := sum(1 for name, _ in used if name == pack))}


def test_located_chunks_know_their_place_in_the_file() -> None:
    """Each chunk of a file comes with the path and with the number of bytes before it."""
    first, second = Chunk(OLD, 40, 5), Chunk(NEW, 0, 7)
    tree = {"log": content(APPEND, 0o600, (first, second, first)), "dir": Entry(DIR, 0, 0o700)}
    places = [(place.path, place.position, place.chunk) for place in located_chunks(tree)]
    assert places == [("log", 0, first), ("log", 5, second), ("log", 12, first)]
