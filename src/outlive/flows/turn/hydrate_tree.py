"""Bring the tree on this machine to a stored version: nothing, the missing packs, or everything."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outlive.core.keys import SessionId
from outlive.core.manifests import APPEND, FILE, Entry, Window
from outlive.core.packs import Pack, PackName, PackRef
from outlive.core.sessions import Head
from outlive.core.trees import TAIL_BYTES, TreeState, content_digest, decode_note
from outlive.core.windows import spans_of
from outlive.flows.engine import Engine
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.choose_window import as_begun, choose, names_absent, packs_for, still_absent
from outlive.flows.turn.read_packs import PackReader, StoredTree, pack_reader, read_chunks, stored_tree
from outlive.flows.turn.windowed_workspace import windowed
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
    why_whole: str = ""
    """Why a restored tree is all there; empty where only a window of it is."""
    bytes_left: int = 0
    """What was left in its packs, uncompressed."""
    reader: PackReader | None = None
    """Has the packs that a window came from: the commit may want to move what is not on disk. None for a whole tree."""

    def __str__(self) -> str:
        """For a trace."""
        part = f" ({self.why_whole})" if self.why_whole else ""
        part = f" (window, {self.bytes_left:,} bytes left out)" if self.bytes_left else part
        return f"{self.how}{part}, packs: {self.packs_read}, {self.bytes_read:,} bytes"


async def hydrate_tree(
    engine: Engine,
    stores: TenantStores,
    head: Head,
    workspace: Workspace,
    *,
    flush: PackRef | None = None,
    asked: str = "",
) -> Hydrated:
    """Make the tree what `head` (or the flush of a turn that was cut off) says.

    A tree that is already there is left alone; one that is a few versions behind gets the packs it lacks; anything else
    is wiped first. With `hydration=window` of what came before the last compaction only what the model needs is
    brought; a file that `asked` names is brought, too.
    """
    local = await _local_state(workspace, head)
    whole = engine.policy.hydration == "full"
    if local is not None and whole and local.windows:
        local = None
    if flush is None and local is not None and _is_current(local, head) and not names_absent(local, asked):
        return Hydrated(local, UP_TO_DATE, 0, 0)
    await workspace.mark_dirty()
    if flush is None and not head.packs:
        await workspace.wipe()
        return Hydrated(TreeState(head.session_id, head.version), "empty", 0, 0)
    reader = pack_reader(engine, stores, head.session_id)
    if flush is None and local is not None:
        stored = await _stored(reader, head.packs, flush)
        known = await _unchanged(local, windowed(workspace, local.windows))
        absent = await still_absent(reader, stored.manifest, local, known, asked)
        plan = _Plan(stored, known, _still(local.windows, known, stored.manifest.entries), absent, local)
        return await _done(reader, plan, head, workspace, "caught up", "")
    first = head.packs if whole else [ref for ref in head.packs if not ref.cold]
    await asyncio.gather(reader.fetch(first), workspace.wipe())
    stored = await _stored(reader, head.packs, flush)
    if flush is not None:
        choice = as_begun(reader.packs[flush.name].index)
    else:
        choice = await choose(reader, stored.manifest, asked, whole=whole)
    plan = _Plan(stored, {}, choice.windows, choice.absent, None)
    return await _done(reader, plan, head, workspace, "restored", choice.why_whole)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be on disk, and what is there."""

    stored: StoredTree
    known: Mapping[str, Entry]
    windows: Mapping[str, Window]
    absent: tuple[str, ...]
    before: TreeState | None


async def _done(reader: PackReader, plan: _Plan, head: Head, workspace: Workspace, how: str, why: str) -> Hydrated:
    state = await _restore(reader, plan, head.session_id, head.version, workspace)
    manifest = plan.stored.manifest
    read = [ref for ref in manifest.packs if ref.name in reader.packs]
    left = sum(window.skipped for window in plan.windows.values())
    left += sum(manifest.entries[path].size for path in plan.absent)
    size = sum(ref.size for ref in read)
    return Hydrated(state, how, len(read), size, why, left, reader if plan.windows else None)


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
    reader: PackReader, plan: _Plan, session_id: SessionId, version: int, workspace: Workspace
) -> TreeState:
    entries, known = plan.stored.manifest.entries, plan.known
    wanted = {
        path: entry for path, entry in entries.items() if path not in plan.absent and not _same(known.get(path), entry)
    }
    needed = set[str]().union(*(packs_for(entry, _missing(plan, path, entry)) for path, entry in wanted.items()))
    packs = await reader.fetch([ref for ref in plan.stored.manifest.packs if ref.name in needed])
    gone = [path for path in (plan.before.manifest.entries if plan.before else ()) if path not in entries]
    await workspace.remove(gone)
    await workspace.write([_content(path, entry, plan, packs) for path, entry in wanted.items()])
    return await state_of(workspace, session_id, version, plan.stored, plan.windows, plan.absent)


def _still(
    windows: Mapping[str, Window], known: Mapping[str, Entry], entries: Mapping[str, Entry]
) -> dict[str, Window]:
    """The windows of files that stay as they are on disk, or only grow."""
    return {
        path: window
        for path, window in windows.items()
        if path in known
        and path in entries
        and (_same(known[path], entries[path]) or _grows(known[path], entries[path]))
    }


def _missing(plan: _Plan, path: str, entry: Entry) -> Window | None:
    """What of a file has to be brought."""
    old = plan.known.get(path)
    return Window(old.size) if old is not None and _grows(old, entry) else plan.windows.get(path)


async def _unchanged(before: TreeState, workspace: Workspace) -> Mapping[str, Entry]:
    """What is on disk as the note says: a process that rested in the tree may have added to it, or to a file in it.

    New bytes must never be put behind ones that are not known, and what nobody knows must not stay.
    """
    found = {stat.path: stat for stat in await workspace.scan()}
    known = before.manifest.entries
    await workspace.remove([path for path in found if path not in known or path in before.absent])
    return {
        path: entry
        for path, entry in known.items()
        if path in found and path not in before.absent and _untouched(entry, found[path], before.stamps.get(path))
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


def _content(path: str, entry: Entry, plan: _Plan, packs: Mapping[PackName, Pack]) -> FileContent:
    old, missing = plan.known.get(path), _missing(plan, path, entry)
    is_longer = old is not None and _grows(old, entry)
    spans = spans_of(missing, entry.size)
    parts = [part for start, end in spans for part in read_chunks(packs, entry, start, end)]
    return FileContent(path, entry.kind, entry.mode, parts, entry.target, append=is_longer)


async def state_of(
    workspace: Workspace,
    session_id: SessionId,
    version: int,
    stored: StoredTree,
    windows: Mapping[str, Window],
    absent: tuple[str, ...],
) -> TreeState:
    """The state of a tree that has just been written, with the stamps and tails of its files."""
    stamps = {stat.path: stat.stamp for stat in await workspace.scan()}
    entries = stored.manifest.entries
    grown = {path: entry for path, entry in entries.items() if entry.kind == APPEND and path not in absent}
    whole = windowed(workspace, windows)
    tails = {path: await tail_digest(whole, path, entry.size, windows.get(path)) for path, entry in grown.items()}
    base = stored.base, stored.base_entries
    return TreeState(session_id, version, stored.manifest, *base, stamps, tails, windows, absent)


async def tail_digest(workspace: Workspace, path: str, size: int, window: Window | None) -> str:
    """Digest of the last bytes before `size`, as far as they are on disk."""
    start = tail_start(size, window)
    return content_digest(await workspace.read(path, start, size - start))


def tail_start(size: int, window: Window | None) -> int:
    """Where the last bytes before `size` begin whose digest is kept."""
    return max(size - TAIL_BYTES, window.boundary if window else 0)
