"""What a session's tree holds at one version, and where each byte of it lies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from outlive.core.packs import PackName, PackRef
from outlive.errors import Corrupt

APPEND = "append"
FILE = "file"
LINK = "link"
DIR = "dir"
KINDS = (APPEND, FILE, LINK, DIR)
_SHARED, _COLD = 1, 2


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of bytes inside a pack's data."""

    pack: PackName
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of the tree."""

    kind: str
    size: int
    mode: int
    digest: str = ""
    """Of the content, for kind `file` (content addressing); empty for `append`, whose chunks only grow."""
    target: str = ""
    """Where a link points."""
    chunks: tuple[Chunk, ...] = ()
    """In order; their lengths add up to `size`."""


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a grown file that is still needed: all from `boundary` on, and a few lines before it."""

    boundary: int
    kept: tuple[tuple[int, int], ...] = ()
    """Start and end of each run of bytes before it, in order."""
    aside: tuple[str, ...] = ()
    """Paths of files that nothing in the window refers to."""

    @property
    def skipped(self) -> int:
        """Bytes before the boundary that are not needed."""
        return self.boundary - sum(end - start for start, end in self.kept)


@dataclass(frozen=True, slots=True)
class Manifest:
    """path -> entry, and the packs the entries lie in."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    packs: tuple[PackRef, ...] = ()
    """Live packs, oldest first."""
    windows: Mapping[str, Window] = field(default_factory=dict)
    """path -> what a resume needs of it; whole where there is none."""


@dataclass(frozen=True, slots=True)
class Located:
    """A chunk together with the place of its bytes in the file."""

    path: str
    position: int
    chunk: Chunk


def located_chunks(entries: Mapping[str, Entry]) -> Iterator[Located]:
    """Every chunk of every entry, with its position in the file."""
    for path, entry in entries.items():
        position = 0
        for chunk in entry.chunks:
            yield Located(path, position, chunk)
            position += chunk.length


def live_bytes(entries: Mapping[str, Entry]) -> dict[PackName, int]:
    """How many raw bytes of each pack the entries still use; a shared chunk counts once."""
    totals: dict[PackName, int] = {}
    for chunk in {place.chunk for place in located_chunks(entries)}:
        totals[chunk.pack] = totals.get(chunk.pack, 0) + chunk.length
    return totals


def with_chunk(chunks: tuple[Chunk, ...], new: Chunk) -> tuple[Chunk, ...]:
    """`chunks` and one more behind them; joined with the last when they touch."""
    if not new.length:
        return chunks
    if chunks and chunks[-1].pack == new.pack and chunks[-1].offset + chunks[-1].length == new.offset:
        last = chunks[-1]
        return (*chunks[:-1], Chunk(last.pack, last.offset, last.length + new.length))
    return (*chunks, new)


# ------------------------------------------------------------------------------------- as stored in a pack


def full_index(entries: Mapping[str, Entry], packs: Sequence[PackName]) -> dict[str, Any]:
    """The whole manifest as JSON; chunks name packs by their place in `packs`."""
    return {"files": {path: _entry_json(entry, packs) for path, entry in sorted(entries.items())}}


def delta_index(base: Mapping[str, Entry], entries: Mapping[str, Entry], packs: Sequence[PackName]) -> dict[str, Any]:
    """What differs from `base` as JSON, to be read with `apply_index`."""
    changed = {p: _entry_json(e, packs) for p, e in sorted(entries.items()) if base.get(p) != e}
    gone = sorted(path for path in base if path not in entries)
    return {"files": changed} | ({"gone": gone} if gone else {})


def apply_index(index: Mapping[str, Any], base: Mapping[str, Entry], packs: Sequence[PackName]) -> dict[str, Entry]:
    """The entries that an index describes on top of `base` (empty for a full one)."""
    entries = dict(base)
    for path in index.get("gone", ()):
        entries.pop(path, None)
    for path, value in index["files"].items():
        entries[path] = _entry_from_json(path, value, packs)
    return entries


def refs_json(refs: Iterable[PackRef]) -> list[list[Any]]:
    """Pack references as JSON."""
    return [[ref.name, ref.size, ref.digest, ref.raw, ref.shared * _SHARED | ref.cold * _COLD] for ref in refs]


def refs_from_json(value: Iterable[Sequence[Any]]) -> tuple[PackRef, ...]:
    """Pack references back from JSON."""
    return tuple(
        PackRef(PackName(name), size, digest, raw, bool(flags & _SHARED), bool(flags & _COLD))
        for name, size, digest, raw, flags in value
    )


def windows_json(windows: Mapping[str, Window]) -> dict[str, list[Any]]:
    """Windows as JSON."""
    return {path: [each.boundary, each.kept, each.aside] for path, each in sorted(windows.items())}


def windows_from_json(value: Mapping[str, Sequence[Any]]) -> dict[str, Window]:
    """Windows back from JSON."""
    return {
        path: Window(boundary, tuple((start, end) for start, end in kept), tuple(aside))
        for path, (boundary, kept, aside) in value.items()
    }


def windows_within(windows: Mapping[str, Window], entries: Mapping[str, Entry]) -> dict[str, Window]:
    """The windows of files that these entries have, without the files beside them that are gone."""
    return {
        path: replace(window, aside=tuple(each for each in window.aside if each in entries))
        for path, window in windows.items()
        if path in entries and entries[path].kind == APPEND and window.boundary <= entries[path].size
    }


def _entry_json(entry: Entry, packs: Sequence[PackName]) -> list[Any]:
    chunks = [[packs.index(c.pack), c.offset, c.length] for c in entry.chunks]
    return [KINDS.index(entry.kind), entry.mode, entry.digest or entry.target, chunks]


def _entry_from_json(path: str, value: Sequence[Any], packs: Sequence[PackName]) -> Entry:
    try:
        kind_number, mode, text, triples = value
        chunks = tuple(Chunk(packs[pack], offset, length) for pack, offset, length in triples)
        kind = KINDS[kind_number]
    except (ValueError, IndexError, TypeError) as error:
        raise Corrupt(
            f"the manifest entry of {path!r} cannot be read.", fix="Rewind the session to an older version."
        ) from error
    size = sum(chunk.length for chunk in chunks)
    is_link = kind == LINK
    return Entry(kind, size, mode, "" if is_link else text, text if is_link else "", chunks)
