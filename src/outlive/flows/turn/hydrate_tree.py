"""Bring the tree on this machine to a stored version: nothing, the missing packs, or everything."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outlive.core.keys import SessionId
from outlive.core.manifests import APPEND, FILE, Chunk, Entry
from outlive.core.packs import Pack, PackName, PackRef
from outlive.core.sessions import Head
from outlive.core.trees import TAIL_BYTES, TreeState, content_digest, decode_note
from outlive.flows.engine import Engine
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.read_packs import PackReader, StoredTree, pack_reader, read_chunks, stored_tree
from outlive.protocols import FileContent, FileStat, Workspace

UP_TO_DATE = "up to date"


@dataclass(frozen=True, slots=True)
class Hydrated:
    """A tree that is on disk as stored, and how it came there."""

    state: TreeState
    how: str
    """`up to date`, `caught up`, `restored` or `empty`."""
    packs_read: int
    bytes_read: int


async def hydrate_tree(
    engine: Engine, stores: TenantStores, head: Head, workspace: Workspace, *, flush: PackRef | None = None
) -> Hydrated:
    """Make the tree what `head` (or the flush of a turn that was cut off) says.

    A tree that is already there is left alone; one that is a few versions behind gets the packs it lacks; anything else
    is wiped first.
    """
    local = await _local_state(workspace, head)
    if flush is None and local is not None and _is_current(local, head):
        return Hydrated(local, UP_TO_DATE, 0, 0)
    await workspace.mark_dirty()
    if flush is None and not head.packs:
        await workspace.wipe()
        return Hydrated(TreeState(head.session_id, head.version), "empty", 0, 0)
    reader = pack_reader(engine, stores, head.session_id)
    before = None if flush else local
    if before is None:
        await asyncio.gather(reader.fetch(head.packs), workspace.wipe())
    stored = await _stored(reader, head.packs, flush)
    state = await _restore(reader, stored, before, head.session_id, head.version, workspace)
    read = [ref for ref in stored.manifest.packs if ref.name in reader.packs]
    how = "caught up" if before else "restored"
    return Hydrated(state, how, len(read), sum(ref.size for ref in read))


async def _local_state(workspace: Workspace, head: Head) -> TreeState | None:
    """What is on disk, if it is an ancestor of the head."""
    note = await workspace.note()
    state = decode_note(note) if note is not None else None
    if state is None or state.session_id != head.session_id:
        return None
    return state if head.lineage <= state.version <= head.version else None


def _is_current(local: TreeState, head: Head) -> bool:
    return local.version == head.version and local.manifest.packs == head.packs


async def _stored(reader: PackReader, packs: Sequence[PackRef], flush: PackRef | None) -> StoredTree:
    if flush is not None:
        pack, ref = await reader.named(flush.name)
        return await stored_tree(reader, ref, pack)
    newest = packs[-1]
    return await stored_tree(reader, newest, (await reader.fetch([newest]))[newest.name])


async def _restore(
    reader: PackReader,
    stored: StoredTree,
    before: TreeState | None,
    session_id: SessionId,
    version: int,
    workspace: Workspace,
) -> TreeState:
    known = await _unchanged(before, workspace) if before else {}
    entries = stored.manifest.entries
    wanted = {path: entry for path, entry in entries.items() if not _same(known.get(path), entry)}
    needed = {chunk.pack for path, entry in wanted.items() for chunk in _chunks_from(known.get(path), entry)}
    packs = await reader.fetch([ref for ref in stored.manifest.packs if ref.name in needed])
    await workspace.remove([path for path in (before.manifest.entries if before else ()) if path not in entries])
    await workspace.write([_content(path, entry, known.get(path), packs) for path, entry in wanted.items()])
    return await state_of(workspace, session_id, version, stored)


async def _unchanged(before: TreeState, workspace: Workspace) -> Mapping[str, Entry]:
    """What is on disk as the note says: a process that rested in the tree may have added to it, or to a file in it.

    New bytes must never be put behind ones that are not known, and what nobody knows must not stay.
    """
    found = {stat.path: stat for stat in await workspace.scan()}
    known = before.manifest.entries
    await workspace.remove([path for path in found if path not in known])
    return {
        path: entry
        for path, entry in known.items()
        if path in found and _untouched(entry, found[path], before.stamps.get(path))
    }


def _untouched(entry: Entry, stat: FileStat, stamp: str | None) -> bool:
    if (entry.kind, entry.mode, entry.target) != (stat.kind, stat.mode, stat.target):
        return False
    return entry.kind not in {APPEND, FILE} or (entry.size == stat.size and (not stamp or stamp == stat.stamp))


def _same(old: Entry | None, new: Entry) -> bool:
    if old is None or (old.kind, old.mode, old.target) != (new.kind, new.mode, new.target):
        return False
    return old.size == new.size if new.kind == APPEND else old.digest == new.digest


def _grows(old: Entry | None, new: Entry) -> bool:
    """Whether the bytes on disk are a prefix of what is stored: append-only files of one lineage are."""
    return old is not None and old.kind == new.kind == APPEND and old.size <= new.size


def _chunks_from(old: Entry | None, new: Entry) -> list[Chunk]:
    skip = old.size if old is not None and _grows(old, new) else 0
    position = 0
    needed: list[Chunk] = []
    for chunk in new.chunks:
        position += chunk.length
        if position > skip:
            needed.append(chunk)
    return needed


def _content(path: str, entry: Entry, old: Entry | None, packs: Mapping[PackName, Pack]) -> FileContent:
    if old is not None and _grows(old, entry):
        return FileContent(path, entry.kind, entry.mode, read_chunks(packs, entry, old.size), append=True)
    return FileContent(path, entry.kind, entry.mode, read_chunks(packs, entry), entry.target)


async def state_of(workspace: Workspace, session_id: SessionId, version: int, stored: StoredTree) -> TreeState:
    """The state of a tree that has just been written, with the stamps and tails of its files."""
    stamps = {stat.path: stat.stamp for stat in await workspace.scan()}
    entries = stored.manifest.entries
    grown = {path: entry for path, entry in entries.items() if entry.kind == APPEND}
    tails = {path: await tail_digest(workspace, path, entry.size) for path, entry in grown.items()}
    return TreeState(session_id, version, stored.manifest, stored.base, stored.base_entries, stamps, tails)


async def tail_digest(workspace: Workspace, path: str, size: int) -> str:
    """Digest of the last bytes before `size`."""
    start = max(size - TAIL_BYTES, 0)
    return content_digest(await workspace.read(path, start, size - start))
