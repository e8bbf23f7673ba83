"""A hole in a transcript's chain of entries is found and named before it is committed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.core.transcripts import check_chain, entries_of, unknown_parents
from outlive.errors import Corrupt

PATH = "config/projects/work/session.jsonl"


def entry(uuid: str | None, parent: str | None = None, **fields: Any) -> bytes:
    """One line as the CLI writes it: compact JSON, the parent before the uuid."""
    known = {"uuid": uuid} if uuid else {}
    return json.dumps({"parentUuid": parent, "type": "user", **fields, **known}, separators=(",", ":")).encode() + b"\n"


def chain(length: int, start: int = 0) -> list[bytes]:
    """Entries `u0`, `u1` ... each of which builds on the one before."""
    return [entry(f"u{n}", f"u{n - 1}" if n else None) for n in range(start, start + length)]


def test_a_whole_chain_passes() -> None:
    """A transcript in which each entry's parent stands before it has no hole."""
    check_chain(PATH, b"", b"".join(chain(50)))


@given(length=st.integers(1, 12), at=st.integers(0, 12))
@settings(deadline=None)
def test_parents_may_lie_in_earlier_bytes(length: int, at: int) -> None:
    """Wherever a whole transcript is divided into committed and new lines, it has no hole."""
    lines = chain(length)
    check_chain(PATH, b"".join(lines[:at]), b"".join(lines[at:]))


@pytest.mark.promise("P5")
@given(length=st.integers(2, 12), at=st.integers(0, 12), lost=st.integers(0, 10))
@settings(deadline=None)
def test_a_lost_entry_is_named(length: int, at: int, lost: int) -> None:
    """Whichever entry but the last is missing, a new line that builds on it is `Corrupt` and names it and the file."""
    lines, gone = chain(length), min(lost, length - 2)
    lines[gone] = b""
    new = min(at, gone)
    with pytest.raises(Corrupt, match=rf"{PATH} has a hole: entry u{gone} is missing"):
        check_chain(PATH, b"".join(lines[:new]), b"".join(lines[new:]))


def test_a_hole_in_committed_bytes_is_not_looked_for_again() -> None:
    """Only new lines are judged: what was committed was checked then."""
    check_chain(PATH, entry("b", "lost"), entry("c", "b"))


def test_a_compact_boundary_starts_anew() -> None:
    """An entry with a null parent, as a compact boundary has, needs nothing before it, and may be built on."""
    boundary = entry("b", None, type="system", subtype="compact_boundary", logicalParentUuid="long gone")
    check_chain(PATH, entry("a"), boundary + entry("c", "b"))


def test_entries_without_ids_are_passed_over() -> None:
    """Lines without uuid or parent, blank lines and lines that are no object take no part in the chain."""
    other = b'{"type":"cost-state","usd":1}\n\n   \n[1,2]\n"text"\n7\nnull\n{"uuid":7,"parentUuid":8}\n'
    check_chain(PATH, b"", entry("a") + other + entry("b", "a"))
    assert len(list(entries_of(other))) == 2


def test_two_branches_may_share_a_parent() -> None:
    """Several entries that build on one, as after a rewind or parallel tools, have no hole."""
    check_chain(PATH, b"", entry("a") + entry("b", "a") + entry("c", "a") + entry("d", "b"))


def test_a_parent_that_comes_later_is_a_hole() -> None:
    """An entry that builds on one behind it is `Corrupt`: a resume reads in order."""
    with pytest.raises(Corrupt, match="entry b is missing"):
        check_chain(PATH, b"", entry("a", "b") + entry("b"))


def test_an_entry_is_not_its_own_parent() -> None:
    """An entry that names itself as its parent is a hole."""
    with pytest.raises(Corrupt, match="entry a is missing"):
        check_chain(PATH, b"", entry("a", "a"))


@pytest.mark.parametrize(
    "earlier",
    [
        entry("x", "lost"),
        entry("x", message='"uuid":"lost"'),
        entry("x", message={"text": json.dumps({"uuid": "lost"})}),
        entry("lost-and-found"),
        entry("not-lost"),
    ],
)
def test_a_mention_of_an_entry_is_not_the_entry(earlier: bytes) -> None:
    """An earlier line that only builds on an entry, quotes its JSON or has a similar id does not fill the hole."""
    with pytest.raises(Corrupt, match="entry lost is missing"):
        check_chain(PATH, earlier, entry("y", "lost"))


@pytest.mark.parametrize("odd", ['quo"te', "back\\slash", "nul\x00", "half\ud800", "line\nfeed"])
def test_an_odd_id_is_looked_for_as_it_is_written(odd: str) -> None:
    """An id that JSON has to escape is found in earlier bytes, and named when it is missing."""
    check_chain(PATH, entry(odd), entry("y", odd))
    with pytest.raises(Corrupt, match="has a hole"):
        check_chain(PATH, b"", entry("y", odd))


def test_unknown_parents_come_in_order() -> None:
    """The parents that a piece of transcript lacks are listed in the order in which they are needed."""
    assert unknown_parents(entry("c", "b") + entry("d", "c") + entry("e", "a")) == ["b", "a"]


@pytest.mark.parametrize("torn", [b'{"uuid":"b"', b"\xff\xfe", b"}"])
def test_a_line_that_is_not_json_is_named_by_number(torn: bytes) -> None:
    """A torn or garbled line is `Corrupt` and named by its number."""
    with pytest.raises(Corrupt, match="line 2 is not JSON"):
        check_chain(PATH, b"", entry("a") + torn + b"\n" + entry("c"))


@pytest.mark.promise("P13")
@pytest.mark.parametrize("text", ["\x00", "\ud800", "\u2028\u2029\x85\r\n", "x" * 2**20])
def test_any_text_stays_on_its_line(text: str) -> None:
    """NUL, lone surrogates, every kind of line separator and a megabyte of text do not tear an entry apart."""
    content = json.dumps({"uuid": "a", "text": text}, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
    assert [each["text"] for each in entries_of(content)] == [text]
