"""What a worker notes about a tree reads back or is not believed, and a draft points at what was put into it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.core.keys import SessionId
from outlive.core.manifests import APPEND, DIR, FILE, LINK, Chunk, Entry, Manifest, apply_index, refs_from_json
from outlive.core.packs import PackName, PackRef, pack_name
from outlive.core.trees import FULL_SHARE, PackDraft, TreeState, content_digest, decode_note, encode_note, index_of

OLD, NEW = pack_name(1, 1, 1), pack_name(2, 1, 1)
REF = PackRef(OLD, 700, "d" * 32, 2400)
NAMES = st.text(st.characters(), min_size=1, max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def tree(count: int) -> dict[str, Entry]:
    """So many small files, all in the old pack."""
    return {f"work/{at}": Entry(FILE, 5, 0o644, f"digest {at}", "", (Chunk(OLD, 5 * at, 5),)) for at in range(count)}


def state(entries: Mapping[str, Entry], *, stamps: Mapping[str, str] | None = None) -> TreeState:
    """A tree at version 1, its full manifest in the old pack."""
    manifest = Manifest(entries, (REF,))
    return TreeState(SessionId("0" * 32), 1, manifest, OLD, entries, stamps or {}, {"ledger.jsonl": "t"})


def read(draft: PackDraft, path: str, packs: Mapping[PackName, bytes] | None = None) -> bytes:
    """The content of an entry, put together from the packs."""
    sources = {**(packs or {}), draft.name: draft.data}
    return b"".join(sources[c.pack][c.offset : c.offset + c.length] for c in draft.entries[path].chunks)


# -------------------------------------------------------------------------------------------------- notes


@given(count=st.integers(0, 4), stamps=st.dictionaries(NAMES, NAMES, max_size=3), extra=NAMES)
@settings(deadline=None)
def test_a_note_reads_back(count: int, stamps: dict[str, str], extra: str) -> None:
    """The note beside a tree reads back as the same state, whatever its paths and stamps are."""
    before = state(tree(count) | {extra: Entry(LINK, 0, 0o777, "", extra)}, stamps=stamps)
    assert decode_note(encode_note(before)) == before


def test_the_note_of_an_empty_tree_reads_back() -> None:
    """A tree that was never committed has a note that reads back without a base and without packs."""
    empty = TreeState(SessionId("0" * 32), 0)
    assert decode_note(encode_note(empty)) == empty
    assert empty.last_pack is None
    assert state({}).last_pack == OLD


def test_a_note_keeps_a_base_whose_packs_are_gone() -> None:
    """The base's entries read back even when they lie in packs that are no longer live."""
    base = {"old": Entry(FILE, 5, 0o644, "d", "", (Chunk(NEW, 0, 5),))}
    before = TreeState(SessionId("0" * 32), 1, Manifest(tree(1), (REF,)), OLD, base)
    assert decode_note(encode_note(before)) == before


def test_a_cut_note_is_not_believed() -> None:
    """A note that was cut off anywhere reads as None, so that the tree is restored anew."""
    note = encode_note(state(tree(2)))
    assert [decode_note(note[:length]) for length in range(len(note))] == [None] * len(note)


def _sealed(fields: object) -> bytes:
    """A note of these fields with the right digest in front."""
    body = json.dumps(fields).encode()
    return content_digest(body).encode() + body


def test_a_flipped_note_is_not_believed() -> None:
    """A note with one byte changed anywhere reads as None, so that a wrong digit never reaches a manifest."""
    note = encode_note(state(tree(2)))
    flipped = [note[:at] + bytes([note[at] ^ 1]) + note[at + 1 :] for at in range(0, len(note), 7)]
    assert {decode_note(each) for each in flipped} == {None}


@pytest.mark.parametrize("field", json.loads(encode_note(state(tree(1)))[32:]))
@given(value=JSON)
@settings(deadline=None, max_examples=15)
def test_a_garbled_note_is_a_state_or_none(field: str, value: object) -> None:
    """A note with any field missing is not believed, and one with a garbled field never raises."""
    fields = json.loads(encode_note(state(tree(1)))[32:])
    decode_note(_sealed(fields | {field: value}))
    del fields[field]
    assert decode_note(_sealed(fields)) is None


@given(st.binary(max_size=40) | JSON.map(_sealed))
@settings(deadline=None)
def test_what_is_no_note_is_none(note: bytes) -> None:
    """Bytes that no state was written with read as None."""
    assert decode_note(note) is None


# ------------------------------------------------------------------------------------------------- drafts


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.binary(max_size=6)), max_size=12))
@settings(deadline=None)
def test_a_draft_points_at_what_was_put_into_it(puts: list[tuple[str, bytes]]) -> None:
    """After any number of files every path reads back as its last content, and each content is stored once."""
    draft = PackDraft(NEW, {})
    for path, content in puts:
        draft.put_file(path, content, mode=0o644, digest=content_digest(content))
    assert {path: read(draft, path) for path in draft.entries} == dict(puts)
    assert draft.size == len(draft.data) == sum(len(content) for content in {content for _, content in puts})


@given(st.lists(st.binary(max_size=6), min_size=1, max_size=8))
@settings(deadline=None)
def test_a_log_grows_behind_the_chunks_it_keeps(tails: list[bytes]) -> None:
    """Bytes appended in any number of steps read back joined, as one chunk when they touch."""
    draft = PackDraft(NEW, {"log": Entry(APPEND, 3, 0o600, "", "", (Chunk(OLD, 0, 3),))})
    for tail in tails:
        draft.put_append("log", tail, mode=0o600, keep=draft.entries["log"].chunks)
    assert read(draft, "log", {OLD: b"old"}) == b"old" + b"".join(tails)
    assert len(draft.entries["log"].chunks) == (2 if any(tails) else 1)
    assert draft.entries["log"].size == 3 + sum(map(len, tails))


def test_known_content_costs_nothing() -> None:
    """A new path with content that an older pack holds points there and adds no byte."""
    draft = PackDraft(NEW, tree(1))
    draft.put_file("copy", b"hello", mode=0o755, digest="digest 0")
    assert draft.size == 0
    assert draft.entries["copy"].chunks == (Chunk(OLD, 0, 5),)


def test_links_directories_modes_and_gone_paths() -> None:
    """A link keeps its target, a directory and a changed mode cost nothing, and a dropped path is gone."""
    draft = PackDraft(NEW, tree(2))
    draft.put_plain("link", LINK, mode=0o777, target="work/0")
    draft.put_plain("empty", DIR, mode=0o700)
    draft.chmod("work/0", 0o755)
    draft.drop(["work/1", "never there"])
    kept = Entry(FILE, 5, 0o755, "digest 0", "", (Chunk(OLD, 0, 5),))
    assert draft.size == 0
    assert draft.entries == {
        "work/0": kept, "link": Entry(LINK, 0, 0o777, "", "work/0"), "empty": Entry(DIR, 0, 0o700)
    }  # fmt: skip


def test_files_that_share_content_move_together() -> None:
    """Content taken over from a pack that goes is stored once for all the paths that have it, and then stays put."""
    draft = PackDraft(NEW, {"a": tree(1)["work/0"], "b": tree(1)["work/0"]})
    for path in ("a", "b", "a"):
        draft.move_file(path, b"hello", {OLD})
    assert draft.data == b"hello"
    assert [draft.entries[path].chunks for path in "ab"] == [(Chunk(NEW, 0, 5),)] * 2
    assert draft.entries["a"].digest == "digest 0"


def test_digests_tell_contents_apart() -> None:
    """A content digest is 32 hexadecimal digits, the same for the same bytes and another for others."""
    assert content_digest(b"a") == content_digest(b"a") != content_digest(b"b")
    assert len(bytes.fromhex(content_digest(b""))) == 16


# ------------------------------------------------------------------------------------------------ indexes


def changed(before: TreeState, count: int) -> PackDraft:
    """A draft in which so many of the files have new content."""
    draft = PackDraft(NEW, before.manifest.entries)
    for at in range(count):
        draft.put_file(f"work/{at}", b"news!", mode=0o644, digest="news")
    return draft


@pytest.mark.parametrize(("files", "news"), [(0, 0), (8, 0), (8, 1), (8, 3), (8, 4), (8, 8), (100, 26), (100, 27)])
def test_an_index_reads_back_on_its_base(files: int, news: int) -> None:
    """An index reads back as the draft's entries, and is a difference while at most one file in four has changed."""
    before = state(tree(files))
    draft = changed(before, news)
    index, base, base_entries = index_of(draft, before, [REF])
    names = [*(ref.name for ref in refs_from_json(index["packs"])), NEW]
    small = news * FULL_SHARE <= files + FULL_SHARE
    assert apply_index(index, base_entries if small else {}, names) == draft.entries
    assert (base, base_entries) == ((OLD, before.base_entries) if small else (NEW, draft.entries))


def test_gone_paths_count_as_changes() -> None:
    """A difference that would have to name more than a quarter of the tree as gone is written as a full manifest."""
    before = state(tree(20))
    draft = PackDraft(NEW, before.manifest.entries)
    draft.drop([f"work/{at}" for at in range(8)])
    assert index_of(draft, before, [REF])[1] == NEW


@pytest.mark.parametrize("base", [None, pack_name(0, 0, 1)])
def test_a_manifest_without_a_live_base_is_full(base: PackName | None) -> None:
    """When no live pack carries a full manifest the new pack does, and needs no other to be read."""
    before = state(tree(8))
    draft = changed(before, 1)
    orphan = TreeState(before.session_id, 1, before.manifest, base, before.base_entries)
    index, carrier, entries = index_of(draft, orphan, [REF])
    assert (carrier, entries) == (NEW, draft.entries)
    assert "base" not in index
    assert apply_index(index, {}, [OLD, NEW]) == draft.entries
