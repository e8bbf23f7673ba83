"""Trees that go from packs straight into one pack."""

from __future__ import annotations

import pytest

from outlive.core.manifests import Chunk
from outlive.core.packs import Pack, PackName
from outlive.errors import Corrupt
from outlive.flows.sessions.fork_session import fork_session
from outlive.flows.sessions.write_tree import NewFile, PackParts, part_of, put_files

NEW = PackName("00000001-00000001-0001")


def test_equal_contents_are_stored_once() -> None:
    """Files with the same bytes share them; an append-only file never shares."""
    same = [NewFile("file", 0o600, b"same"), NewFile("file", 0o755, b"same"), NewFile("append", 0o600, b"same")]
    pack = PackParts(NEW)
    entries = put_files({f"work/{number}": file for number, file in enumerate(same)}, pack)
    assert entries["work/0"].chunks == entries["work/1"].chunks != entries["work/2"].chunks
    assert (pack.size, [entry.mode for entry in entries.values()]) == (8, [0o600, 0o755, 0o600])


def test_files_without_bytes_have_no_chunks() -> None:
    """An empty file, a link and an empty folder take no room."""
    files = {
        "work/e": NewFile("file", 0o600),
        "work/l": NewFile("link", 0o777, target="e"),
        "work/d": NewFile("dir", 0o700),
    }
    pack = PackParts(NEW)
    assert {entry.chunks for entry in put_files(files, pack).values()} == {()}
    assert pack.size == 0


def test_a_chunk_beyond_its_pack_is_named() -> None:
    """A manifest that asks for more than a pack holds is reported with the pack."""
    with pytest.raises(Corrupt, match=NEW):
        part_of(Pack({}, memoryview(b"abc")), Chunk(NEW, 1, 3))


async def test_copies_in_the_source_stay_one_in_the_fork(world) -> None:
    """Content that the source held once for several files is held once by the fork."""
    big = "x".join(map(str, range(5000)))
    await world.say(f"write a.txt: {big}")
    turn = await world.say(f"write b.txt: {big}")
    forked = await fork_session(world.worker(), world.stores, turn.session_id)
    (ref,) = (await world.head(forked.session_id)).packs
    assert ref.raw < sum(len(content) for _, content in world.trees[turn.session_id, 2].values()) - len(big) + 1
