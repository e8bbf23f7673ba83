"""What has changed on disk since the tree's last known state, as one new pack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

from outlive.core.boilerplate import is_stored
from outlive.core.compaction import live_packs, packs_to_absorb_apart
from outlive.core.keys import pack_prefix
from outlive.core.manifests import (
    APPEND,
    FILE,
    Chunk,
    Entry,
    Manifest,
    Window,
    live_bytes,
    windows_within,
    with_chunk,
)
from outlive.core.packs import Dictionary, PackName, PackRef, pack_ref
from outlive.core.trees import PackDraft, TreeState, content_digest, index_of
from outlive.core.windows import MARKER, Span, chunks_between, cold_bytes, parted, spans_of
from outlive.errors import NotFound, Unavailable
from outlive.flows.engine import Policy
from outlive.flows.pack_threads import encoded
from outlive.flows.retry import put_once
from outlive.flows.turn.hydrate_tree import tail_digest, tail_start
from outlive.flows.turn.note_window import note_window
from outlive.flows.turn.read_packs import PackReader
from outlive.protocols import Clock, FileStat, Objects, Workspace

OPENING_BYTES = 4096
"""Of the line a window begins with; its mark comes early in it."""
COMPRESSION = 4
"""How much smaller new bytes are guessed to get, when it is decided which packs to take over."""


@dataclass(frozen=True, slots=True)
class Capture:
    """What one look at the tree found."""

    draft: PackDraft
    stamps: Mapping[str, str]
    changed: bool


async def look(state: TreeState, workspace: Workspace, name: PackName, *, whole_lines: bool) -> Capture:
    """Compare the tree with its last known state and collect what is new.

    Append-only files are read first, and no further than the scan saw them, which saw them before anything else: what
    the agent did before it wrote a line is then never missing beside the line.
    With `whole_lines` a line that is still being written waits for the next look. `Conflict` when another file does not
    hold still: half of it, or what it held before, would not go with the lines.
    """
    stats = sorted(await workspace.scan(), key=lambda stat: stat.kind != APPEND)
    draft = PackDraft(name, state.manifest.entries)
    draft.windows = dict(state.manifest.windows)
    seen = {*state.absent, *(stat.path for stat in stats)}
    draft.drop([path for path in state.manifest.entries if path not in seen])
    taken = [await _take_if_there(stat, state, workspace, draft, whole_lines=whole_lines) for stat in stats]
    changed = draft.entries != dict(state.manifest.entries)
    stamps = {stat.path: stat.stamp for stat, is_taken in zip(stats, taken, strict=True) if is_taken}
    return Capture(draft, stamps, changed)


async def _take_if_there(
    stat: FileStat, state: TreeState, workspace: Workspace, draft: PackDraft, *, whole_lines: bool
) -> bool:
    """False for a file that has gone since the scan."""
    try:
        await _take(stat, state, workspace, draft, whole_lines=whole_lines)
    except NotFound:
        draft.drop([stat.path])
        return False
    return True


async def _take(stat: FileStat, state: TreeState, workspace: Workspace, draft: PackDraft, *, whole_lines: bool) -> None:
    old = state.manifest.entries.get(stat.path)
    if stat.path in state.absent and stat.kind == APPEND:
        raise _out_of_window(stat.path)
    if old is not None and old.kind != stat.kind:
        draft.drop([stat.path])
        old = None
    if stat.kind == APPEND:
        await _take_growth(stat, old, state, workspace, draft, whole_lines=whole_lines)
    elif stat.kind != FILE:
        draft.put_plain(stat.path, stat.kind, mode=stat.mode, target=stat.target)
    elif old is None or not stat.stamp or state.stamps.get(stat.path) != stat.stamp:
        content = await workspace.read(stat.path)
        draft.put_file(stat.path, content, mode=stat.mode, digest=content_digest(content))


async def _take_growth(
    stat: FileStat, old: Entry | None, state: TreeState, workspace: Workspace, draft: PackDraft, *, whole_lines: bool
) -> None:
    """New bytes behind the known ones; the whole file when what was known is no longer there."""
    if old is not None and stat.stamp and state.stamps.get(stat.path) == stat.stamp and old.size == stat.size:
        return
    known = old.size if old is not None else 0
    kept, start, near = tuple[Chunk, ...](), 0, b""
    read = await _growth(stat, known, state, workspace) if old is not None and known <= stat.size else None
    if old is not None and read is not None:
        kept, start, (near, content) = old.chunks, known, read
    else:
        if old is not None and stat.path in state.windows:
            kept, start = await _before_window(stat, old, state.windows[stat.path], workspace)
        content = await workspace.read(stat.path, start, stat.size - start)
    if whole_lines:
        content = content[: content.rfind(b"\n") + 1]
    if content or old is None or not kept:
        draft.put_append(stat.path, content, mode=stat.mode, keep=kept, near=near)
        await note_window(draft, state, workspace, stat.path, start, content)
    elif old.mode != stat.mode:
        draft.chmod(stat.path, stat.mode)


async def _growth(stat: FileStat, known: int, state: TreeState, workspace: Workspace) -> tuple[bytes, bytes] | None:
    """The last of the known bytes and what follows them, in one read; None when the known ones are others now."""
    start = tail_start(known, state.windows.get(stat.path))
    content = await workspace.read(stat.path, start, stat.size - start)
    near, grown = content[: known - start], content[known - start :]
    return (near, grown) if state.tails.get(stat.path) == content_digest(near) else None


async def _before_window(
    stat: FileStat, old: Entry, window: Window, workspace: Workspace
) -> tuple[tuple[Chunk, ...], int]:
    """What is not on disk of a file that was rewritten, and where the bytes on disk begin."""
    opening = await workspace.read(stat.path, window.boundary, OPENING_BYTES)
    if MARKER not in opening.partition(b"\n")[0]:
        raise _out_of_window(stat.path)
    return chunks_between(old, 0, window.boundary), window.boundary


def _out_of_window(path: str) -> Unavailable:
    return Unavailable(
        f"{path} was written anew, and this machine has only what follows the conversation's last compaction.",
        fix="Set OUTLIVE_HYDRATION=full; the message is tried again.",
    )


# ------------------------------------------------------------------------------------------- compaction


async def absorb(
    capture: Capture, state: TreeState, workspace: Workspace, policy: Policy, reader: PackReader
) -> TreeState:
    """Take the bytes of packs that have become too many, or mostly dead weight, over into this one.

    The bytes come from the tree on disk, so nothing is downloaded for it but what is not there. Returns the state to
    seal with: without its manifest base when the base's pack goes, or is not read any more by a resume.
    """
    draft = capture.draft
    draft.windows = windows_within(draft.windows, draft.entries)
    refs = state.manifest.packs
    sizes = {ref.name: (ref.size, ref.raw) for ref in refs}
    packs = live_packs(sizes, live_bytes(draft.entries))
    cold = cold_bytes(draft.entries, draft.windows) if policy.hydration == "window" else {}
    limit = policy.max_packs - any(ref.shared for ref in refs)  # its dictionary is one more object to read
    parting = packs_to_absorb_apart(packs, cold, draft.size / COMPRESSION, limit=limit)
    moves = _Moves(parting.absorbed, parting.parted, state, workspace, reader)
    for path, entry in list(draft.entries.items()):
        if any(chunk.pack in moves.touched for chunk in entry.chunks):
            await _rewrite(path, entry, moves, draft)
    return replace(state, base=None) if state.base in {*moves.touched, *parting.cold} else state


@dataclass(frozen=True, slots=True)
class _Moves:
    """Which bytes move into the new pack, and where they are read."""

    absorbed: set[PackName]
    """Packs all of whose bytes move."""
    parted: set[PackName]
    """Packs from which only those move that are still needed."""
    state: TreeState
    workspace: Workspace
    reader: PackReader

    @property
    def touched(self) -> set[PackName]:
        """All of them."""
        return self.absorbed | self.parted

    def takes(self, chunk: Chunk, *, is_needed: bool) -> bool:
        """Whether these bytes move."""
        return chunk.pack in self.absorbed or (is_needed and chunk.pack in self.parted)

    async def stored(self, chunk: Chunk) -> bytes:
        """Bytes that are not on disk, from their pack."""
        packs = await self.reader.fetch([ref for ref in self.state.manifest.packs if ref.name == chunk.pack])
        return bytes(packs[chunk.pack].data[chunk.offset : chunk.offset + chunk.length])


async def _rewrite(path: str, entry: Entry, moves: _Moves, draft: PackDraft) -> None:
    if entry.kind == FILE:
        if moves.takes(entry.chunks[0], is_needed=not _is_aside(path, draft)):
            await _rewrite_file(path, entry, moves, draft)
        return
    position, chunks = 0, tuple[Chunk, ...]()
    for where, group in groupby(_sorted_out(path, entry, moves, draft), key=itemgetter(0)):
        run = [chunk for _, chunk in group]
        length = sum(chunk.length for chunk in run)
        match where:
            case (_, _):  # one behind the other on disk, so one read
                run = [draft.add(await moves.workspace.read(path, position, length))]
            case "stored":
                run = [draft.add(await moves.stored(chunk)) for chunk in run]
        for chunk in run:
            chunks = with_chunk(chunks, chunk)
        position += length
    draft.replace_chunks(path, chunks)


def _sorted_out(
    path: str, entry: Entry, moves: _Moves, draft: PackDraft
) -> Iterator[tuple[Literal["stays", "stored"] | Span, Chunk]]:
    """The chunks of a grown file in order: those that stay where they are, or else in which span on disk they lie."""
    on_disk = spans_of(moves.state.windows.get(path), entry.size) if path not in moves.state.absent else []
    position, is_aside = 0, _is_aside(path, draft)
    for chunk, is_needed in parted(entry, draft.windows.get(path), on_disk):
        if moves.takes(chunk, is_needed=is_needed and not is_aside):
            yield next((span for span in on_disk if span[0] <= position < span[1]), "stored"), chunk
        else:
            yield "stays", chunk
        position += chunk.length


def _is_aside(path: str, draft: PackDraft) -> bool:
    return any(path in window.aside for window in draft.windows.values())


async def _rewrite_file(path: str, entry: Entry, moves: _Moves, draft: PackDraft) -> None:
    if path in moves.state.absent:
        draft.move_file(path, b"".join([await moves.stored(chunk) for chunk in entry.chunks]), moves.touched)
        return
    content = await moves.workspace.read(path)
    if content_digest(content) == entry.digest:
        draft.move_file(path, content, moves.touched)
    else:
        draft.put_file(path, content, mode=entry.mode, digest=content_digest(content))


# ----------------------------------------------------------------------------------------------- upload


@dataclass(frozen=True, slots=True)
class Sealed:
    """A pack that is stored, and the state the tree has with it."""

    ref: PackRef
    state: TreeState


async def seal(
    capture: Capture,
    state: TreeState,
    workspace: Workspace,
    objects: Objects,
    clock: Clock,
    *,
    labels: Mapping[str, Any],
    dictionary: Dictionary | None = None,
) -> Sealed:
    """Write the pack, and return the state that goes with it; `labels` are the index's own fields.

    `Unavailable` when it cannot be stored: nothing counts then.
    """
    draft = capture.draft
    used = live_bytes(draft.entries)
    draft.windows = windows_within(draft.windows, draft.entries)
    cold = cold_bytes(draft.entries, draft.windows)
    live = tuple(
        replace(ref, cold=ref.name in cold and cold[ref.name] == used.get(ref.name))
        for ref in state.manifest.packs
        if used.get(ref.name) or ref.name == state.base
    )
    index, base, base_entries = index_of(draft, state, live)
    needed = tuple(ref for ref in live if used.get(ref.name))
    if base == draft.name and needed != live:
        live = needed
        index, base, base_entries = index_of(draft, replace(state, base=None), live)
    data = draft.data
    stored = await encoded({"session": state.session_id, **labels, **index}, [data], dictionary)
    await put_once(objects, pack_prefix(state.session_id) + draft.name, stored, clock)
    shared = dictionary is not None and is_stored(dictionary.digest)
    ref = pack_ref(draft.name, stored, len(data), shared=shared)
    manifest = Manifest(draft.entries, (*live, ref), draft.windows)
    tails = await _tails(draft, state, workspace)
    on_disk = {path: window for path, window in state.windows.items() if path in draft.entries}
    absent = tuple(path for path in state.absent if path in draft.entries and path not in capture.stamps)
    as_stored = manifest, base, base_entries
    sealed = TreeState(state.session_id, state.version, *as_stored, capture.stamps, tails, on_disk, absent)
    return Sealed(ref, sealed)


async def _tails(draft: PackDraft, state: TreeState, workspace: Workspace) -> Mapping[str, str]:
    tails: dict[str, str] = {}
    for path, entry in draft.entries.items():
        if entry.kind == APPEND and path not in state.absent:
            same = state.manifest.entries.get(path)
            unchanged = same is not None and same.size == entry.size and path in state.tails
            fresh = draft.fresh.get(path, b"")
            tails[path] = state.tails[path] if unchanged else await _tail(workspace, path, entry, state, fresh)
    return tails


async def _tail(workspace: Workspace, path: str, entry: Entry, state: TreeState, fresh: bytes) -> str:
    window = state.windows.get(path)
    wanted = entry.size - tail_start(entry.size, window)
    if wanted <= len(fresh):
        return content_digest(fresh[len(fresh) - wanted :])
    return await tail_digest(workspace, path, entry.size, window)
