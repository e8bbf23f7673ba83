"""What has changed on disk since the tree's last known state, as one new pack."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from outlive.core.boilerplate import is_stored
from outlive.core.compaction import live_packs, packs_to_absorb
from outlive.core.keys import pack_prefix
from outlive.core.manifests import APPEND, FILE, Chunk, Entry, Manifest, live_bytes, with_chunk
from outlive.core.packs import Dictionary, PackName, PackRef, encode_pack, pack_ref
from outlive.core.trees import PackDraft, TreeState, content_digest, index_of
from outlive.errors import NotFound
from outlive.flows.retry import put_once
from outlive.flows.turn.hydrate_tree import tail_digest
from outlive.flows.turn.read_packs import THREAD_FROM
from outlive.protocols import Clock, FileStat, Objects, Workspace

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
    seen = {stat.path for stat in stats}
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
    is_longer = known <= stat.size
    kept = old.chunks if old is not None and is_longer and await _tail_holds(stat.path, known, state, workspace) else ()
    start = known if kept else 0
    content = await workspace.read(stat.path, start, stat.size - start)
    if whole_lines:
        content = content[: content.rfind(b"\n") + 1]
    if content or old is None or not kept:
        draft.put_append(stat.path, content, mode=stat.mode, keep=kept)
    elif old.mode != stat.mode:
        draft.chmod(stat.path, stat.mode)


async def _tail_holds(path: str, size: int, state: TreeState, workspace: Workspace) -> bool:
    return state.tails.get(path) == await tail_digest(workspace, path, size)


# ------------------------------------------------------------------------------------------- compaction


async def absorb(capture: Capture, state: TreeState, workspace: Workspace, limit: int) -> TreeState:
    """Take the bytes of packs that have become too many, or mostly dead weight, over into this one.

    The bytes come from the tree on disk, so nothing is downloaded for it. Returns the state to seal with: without its
    manifest base when the base's pack goes.
    """
    draft = capture.draft
    sizes = {ref.name: (ref.size, ref.raw) for ref in state.manifest.packs}
    live = live_packs(sizes, live_bytes(draft.entries))
    shared = any(ref.shared for ref in state.manifest.packs)  # its dictionary is one more object to read
    doomed = packs_to_absorb(live, draft.size / COMPRESSION, limit=limit - shared)
    for path, entry in list(draft.entries.items()):
        if any(chunk.pack in doomed for chunk in entry.chunks):
            await _rewrite(path, entry, doomed, workspace, draft)
    return replace(state, base=None) if state.base in doomed else state


async def _rewrite(path: str, entry: Entry, doomed: set[PackName], workspace: Workspace, draft: PackDraft) -> None:
    if entry.kind == FILE:
        content = await workspace.read(path)
        if content_digest(content) == entry.digest:
            draft.move_file(path, content, doomed)
        else:
            draft.put_file(path, content, mode=entry.mode, digest=content_digest(content))
        return
    position, chunks = 0, tuple[Chunk, ...]()
    for chunk in entry.chunks:
        moved = chunk.pack in doomed
        place = draft.add(await workspace.read(path, position, chunk.length)) if moved else chunk
        chunks = with_chunk(chunks, place)
        position += chunk.length
    draft.replace_chunks(path, chunks)


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
    live = tuple(ref for ref in state.manifest.packs if used.get(ref.name) or ref.name == state.base)
    index, base, base_entries = index_of(draft, state, live)
    if base == draft.name:
        live = tuple(ref for ref in live if used.get(ref.name))
        index, base, base_entries = index_of(draft, replace(state, base=None), live)
    data = draft.data
    encoded = await _encode({"session": state.session_id, **labels, **index}, data, dictionary)
    await put_once(objects, pack_prefix(state.session_id) + draft.name, encoded, clock)
    shared = dictionary is not None and is_stored(dictionary.digest)
    ref = pack_ref(draft.name, encoded, len(data), shared=shared)
    manifest = Manifest(draft.entries, (*live, ref))
    tails = await _tails(draft, state, workspace)
    sealed = TreeState(state.session_id, state.version, manifest, base, base_entries, capture.stamps, tails)
    return Sealed(ref, sealed)


async def _encode(index: Mapping[str, Any], data: bytes, dictionary: Dictionary | None) -> bytes:
    encode: Callable[..., bytes] = encode_pack
    if len(data) < THREAD_FROM:
        return encode(index, data, dictionary)
    return await asyncio.to_thread(encode, index, data, dictionary)


async def _tails(draft: PackDraft, state: TreeState, workspace: Workspace) -> Mapping[str, str]:
    tails: dict[str, str] = {}
    for path, entry in draft.entries.items():
        if entry.kind == APPEND:
            same = state.manifest.entries.get(path)
            unchanged = same is not None and same.size == entry.size and path in state.tails
            tails[path] = state.tails[path] if unchanged else await tail_digest(workspace, path, entry.size)
    return tails
