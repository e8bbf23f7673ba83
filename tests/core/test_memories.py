"""How copies of the shared memory are brought up to date, and how two sessions' changes are joined."""

from __future__ import annotations

import pytest

from outlive.core.memories import (
    INDEX,
    Changes,
    MemoryFile,
    changes,
    conflict_name,
    decode_base,
    decode_memory,
    encode_memory,
    join_lines,
    pull,
)
from outlive.errors import Corrupt

OLD, NEW, MINE = "a" * 32, "b" * 32, "c" * 32
SHARED = {"x.md": MemoryFile(NEW, "x", (OLD[:12],))}


@pytest.mark.parametrize(
    ("shared", "local", "base", "write", "remove", "after"),
    [
        (SHARED, {}, {}, ("x.md",), (), {"x.md": NEW}),
        (SHARED, {"x.md": NEW}, {}, (), (), {"x.md": NEW}),
        (SHARED, {"x.md": OLD}, {"x.md": OLD}, ("x.md",), (), {"x.md": NEW}),
        (SHARED, {"x.md": MINE}, {"x.md": NEW}, (), (), {"x.md": NEW}),
        (SHARED, {"x.md": MINE}, {}, (), (), {}),
        (SHARED, {}, {"x.md": NEW}, (), (), {"x.md": NEW}),
        (SHARED, {}, {"x.md": OLD}, ("x.md",), (), {"x.md": NEW}),
        ({"x.md": MemoryFile(None, "", (OLD[:12],))}, {"x.md": OLD}, {"x.md": OLD}, (), ("x.md",), {}),
        ({}, {"x.md": MINE}, {}, (), (), {}),
    ],
    ids=["new", "same", "behind", "unshared", "unshared, base lost", "deleted here", "reborn", "deleted there", "own"],
)
def test_a_copy_is_brought_up_to_date(shared, local, base, write, remove, after) -> None:
    """Known contents give way to the newest; what only this session has, or has deleted, stays so."""
    plan = pull(shared, local, base)
    assert (plan.write, plan.remove, plan.base) == (write, remove, after)


@pytest.mark.parametrize(
    ("name", "theirs", "before", "mine", "found"),
    [
        ("x.md", OLD, OLD, OLD, Changes()),
        ("x.md", NEW, OLD, OLD, Changes()),
        ("x.md", NEW, OLD, NEW, Changes()),
        ("x.md", OLD, OLD, MINE, Changes(store=("x.md",))),
        ("x.md", None, None, MINE, Changes(store=("x.md",))),
        ("x.md", None, OLD, MINE, Changes(store=("x.md",))),
        ("x.md", OLD, OLD, None, Changes(delete=("x.md",))),
        ("x.md", NEW, OLD, None, Changes()),
        ("x.md", NEW, OLD, MINE, Changes(both=("x.md",))),
        (INDEX, NEW, OLD, MINE, Changes(join=(INDEX,))),
    ],
)
def test_changes_are_compared_three_ways(name, theirs, before, mine, found) -> None:
    """One side's change is taken, a change beats a deletion, and what both changed is kept from both."""
    shared = {} if theirs is None and before is None else {name: MemoryFile(theirs, "o")}
    base = {name: before} if before else {}
    assert changes(shared, base, {name: mine} if mine else {}) == found


def test_lines_are_joined() -> None:
    """Lines that either side added are there once, lines that either side took out are not."""
    base, mine, theirs = b"- a\n- b\n- c\n", b"- a\n- c\n- mine\n- new\n", b"- b\n- c\n- theirs\n- new"
    assert join_lines(base, mine, theirs) == b"- c\n- theirs\n- new\n- mine\n"


@pytest.mark.parametrize(
    ("path", "name"),
    [("x.md", "x.conflict-aaaaaa.md"), ("d.e/x", "d.e/x.conflict-aaaaaa"), (".x", ".x.conflict-aaaaaa")],
)
def test_the_other_side_has_a_name_beside(path, name) -> None:
    """The other content lies in the same folder, with the same ending."""
    assert conflict_name(path, OLD) == name


def test_a_record_comes_back() -> None:
    """What is stored reads back as it was, and what is no record is named."""
    assert decode_memory(encode_memory(SHARED), "k") == SHARED
    for body in (b"{", b"{}", b'{"schema":1,"files":{"x":1}}', b'{"schema":2,"files":{}}'):
        with pytest.raises(Corrupt, match="k"):
            decode_memory(body, "k")
    with pytest.raises(Corrupt):
        decode_base(b"[]")


def test_the_past_is_bounded() -> None:
    """A file that is changed very often is still recognised in its latest contents, and its record stays small."""
    file = MemoryFile(None)
    for number in range(200):
        file = file.becomes(f"{number:032d}"[::-1], "o")
    assert file.knows(f"{150:032d}"[::-1])
    assert not file.knows(f"{10:032d}"[::-1])
    assert len(encode_memory({f"{n}.md": file for n in range(100)})) < 256 * 1024
