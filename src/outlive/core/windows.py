"""Which part of a grown file the model still needs: where its last compaction is, and the older lines that it keeps."""

from __future__ import annotations

import json
import re
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from outlive.core.manifests import APPEND, Chunk, Entry, Window, with_chunk
from outlive.core.packs import PackName

MARKER = b'"subtype":"compact_boundary"'
SIDE_FOLDERS = ("tool-results/", "subagents/")
"""Below a session's own folder, beside its transcript: what its lines refer to by name."""
_MAIN = re.compile(r"config/projects/[^/]+/[^/]+\.jsonl")
_NOTE = re.compile(rb'^\{"type":"([a-z-]+)"', re.MULTILINE)
"""A line of the CLI's own, without `uuid`: the price so far, the title, which files a rewind needs."""
_KEPT_ALL = (b"file-history-snapshot", b"file-history-delta", b"content-replacement")
_KEPT_NONE = (b"api-request", b"api-request-blob", b"api-request-shape", b"queue-operation")
"""What the CLI writes for itself and does not read back."""

Piece = tuple[int, bytes]
"""Where some bytes lie in their file, and the bytes: whole lines."""
Span = tuple[int, int]
"""Where some bytes start, and where they end."""


def is_main(path: str) -> bool:
    """Whether a path is the transcript of a main conversation, not of a subagent."""
    return _MAIN.fullmatch(path) is not None


def spans_of(window: Window | None, size: int) -> list[Span]:
    """What a file of `size` bytes has on disk."""
    return [(0, size)] if window is None else [*window.kept, (window.boundary, size)]


# ---------------------------------------------------------------------------------- where a window begins


def find_window(pieces: Sequence[Piece]) -> Window | None:
    """The window that the last compaction in the last piece opens; the other pieces are what is known before it.

    None when there is none, or when it keeps a message that is not there: then all of the file is needed.
    """
    start, content = pieces[-1]
    for at, line in _lines_with(content, MARKER):
        boundary = _parsed(line)
        if boundary.get("type") == "system" and boundary.get("subtype") == "compact_boundary":
            return _opened(start + at, boundary, [*pieces[:-1], (start, content[:at])])
    return None


def _opened(at: int, boundary: Mapping[str, Any], pieces: Sequence[Piece]) -> Window | None:
    wanted = _kept_uuids(boundary.get("compactMetadata"))
    if wanted is None:
        return None
    found = {uuid: span for uuid in wanted if (span := _line_of(uuid, pieces)) is not None}
    if len(found) < len(wanted):
        return None
    spans: list[Span] = []
    for span in {*found.values(), *_notes(pieces)}:
        insort(spans, span)
    return Window(at, tuple(_joined(spans)))


def _kept_uuids(metadata: object) -> set[str] | None:
    """The messages that outlive the compaction; None where it does not say."""
    if not isinstance(metadata, Mapping):
        return None
    kept = metadata.get("preservedMessages")
    if kept is None:
        return None if metadata.get("preservedSegment") else set()
    uuids = kept.get("allUuids") if isinstance(kept, Mapping) else None
    return set(uuids) if isinstance(uuids, list) and all(isinstance(uuid, str) for uuid in uuids) else None


def _line_of(uuid: str, pieces: Iterable[Piece]) -> Span | None:
    for start, content in pieces:
        for at, line in _lines_with(content, f'"uuid":{json.dumps(uuid)}'.encode()):
            if _parsed(line).get("uuid") == uuid:
                return start + at, start + at + len(line)
    return None


def _notes(pieces: Iterable[Piece]) -> set[Span]:
    """The CLI's own lines that it may want again: of most kinds the last one counts."""
    last: dict[bytes, Span] = {}
    every: set[Span] = set()
    for start, content in pieces:
        for match in _NOTE.finditer(content):
            end = content.find(b"\n", match.start()) + 1
            span = start + match.start(), start + end
            if match[1] in _KEPT_ALL and end:
                every.add(span)
            elif match[1] not in _KEPT_NONE and end and b'"uuid":' not in content[match.start() : end]:
                last[match[1]] = span
    return every | set(last.values())


def _lines_with(content: bytes, mark: bytes) -> Iterator[tuple[int, bytes]]:
    """Every whole line that has these bytes and where it starts, last ones first."""
    end = len(content)
    while (found := content.rfind(mark, 0, end)) >= 0:
        start = content.rfind(b"\n", 0, found) + 1
        stop = content.find(b"\n", found) + 1
        if stop:
            yield start, content[start:stop]
        end = start


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    before: Span | None = None
    for span in spans:
        if before is not None and span[0] <= before[1]:
            before = before[0], max(before[1], span[1])
            continue
        if before is not None:
            yield before
        before = span
    if before is not None:
        yield before


# --------------------------------------------------------------------------------------- files beside it


def side_files(transcript: str, paths: Iterable[str]) -> list[str]:
    """The files that the lines of a transcript refer to: large outputs, and what subagents did."""
    folder = transcript.removesuffix(".jsonl") + "/"
    return [path for path in paths if path.startswith(tuple(folder + each for each in SIDE_FOLDERS))]


def unnamed(paths: Iterable[str], texts: Sequence[bytes]) -> list[str]:
    """The files that none of these texts names: of a subagent its id counts, of a large output its name."""
    return [path for path in paths if not any(_name(path) in text for text in texts)]


def _name(path: str) -> bytes:
    name = path.rsplit("/", 1)[-1].split(".", 1)[0]
    return name.removeprefix("agent-").encode(errors="surrogateescape")


def with_aside(window: Window, transcript: str, paths: Iterable[str], texts: Sequence[bytes]) -> Window:
    """The window with the files that only the time before it refers to."""
    return replace(window, aside=tuple(sorted(unnamed(side_files(transcript, paths), texts))))


# ------------------------------------------------------------------------------------------ what is cold


def cold_bytes(entries: Mapping[str, Entry], windows: Mapping[str, Window]) -> dict[PackName, int]:
    """How many raw bytes of each pack no window needs; what two files share is needed if one of them is."""
    if not windows:
        return {}
    aside = {path for window in windows.values() for path in window.aside}
    cold = {chunk for path, entry in entries.items() for chunk in _cold_chunks(path, entry, windows, aside)}
    if cold:
        cold -= {
            chunk for path, entry in entries.items() if path not in aside for chunk in _whole(path, entry, windows)
        }
    totals: dict[PackName, int] = {}
    for chunk in cold:
        totals[chunk.pack] = totals.get(chunk.pack, 0) + chunk.length
    return totals


def _whole(path: str, entry: Entry, windows: Mapping[str, Window]) -> tuple[Chunk, ...]:
    return () if path in windows else entry.chunks


def _cold_chunks(path: str, entry: Entry, windows: Mapping[str, Window], aside: set[str]) -> Iterator[Chunk]:
    if path in aside:
        yield from entry.chunks
    elif path in windows and entry.kind == APPEND:
        for chunk, is_needed in parted(entry, windows[path]):
            if not is_needed:
                yield chunk


def parted(entry: Entry, window: Window | None, on_disk: Sequence[Span] = ()) -> Iterator[tuple[Chunk, bool]]:
    """The chunks of a file in order, and whether the window needs each; cut at its edges and those of `on_disk`."""
    needed = spans_of(window, entry.size)
    cuts = [edge for span in (*needed, *on_disk) for edge in span]
    position = 0
    for chunk in entry.chunks:
        end = position + chunk.length
        edges = sorted({position, end, *(edge for edge in cuts if position < edge < end)})
        for low, high in pairwise(edges):
            is_needed = any(start <= low < stop for start, stop in needed)
            yield Chunk(chunk.pack, chunk.offset + low - position, high - low), is_needed
        position = end


def chunks_between(entry: Entry, start: int, end: int) -> tuple[Chunk, ...]:
    """The chunks of a part of a file."""
    found: tuple[Chunk, ...] = ()
    position = 0
    for chunk, _ in parted(entry, None, [(start, end)]):
        if start <= position < end:
            found = with_chunk(found, chunk)
        position += chunk.length
    return found
