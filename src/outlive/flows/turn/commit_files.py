"""A version that no turn made: a few files of the tree replaced or lengthened, committed under the session's lease."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from outlive.core.compaction import live_packs, packs_to_absorb_apart
from outlive.core.manifests import APPEND, FILE, Entry, Manifest, live_bytes, with_chunk
from outlive.core.packs import PackRef
from outlive.core.sessions import Head
from outlive.core.trees import content_digest
from outlive.core.windows import cold_bytes
from outlive.flows.engine import Engine
from outlive.flows.sessions.write_tree import PackParts, move_tree, store_tree
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.hold_lease import Lease
from outlive.flows.turn.read_packs import PackReader, pack_reader, read_chunks, stored_tree

MODE = 0o600


@dataclass(frozen=True, slots=True)
class FileEdits:
    """What becomes of the tree; paths relative to the session's root."""

    put: Mapping[str, bytes] = field(default_factory=dict)
    """The whole content of a file."""
    append: Mapping[str, bytes] = field(default_factory=dict)
    """What is added to an append-only file; it is made when it is not there."""
    remove: Collection[str] = ()
    """Files that are there no more."""


class CommittedTree:
    """The tree of a session's newest version, read from its packs as far as it is asked for."""

    def __init__(self, reader: PackReader, tree: Manifest) -> None:
        """Use `committed_tree`."""
        self.entries, self.packs, self.windows = tree.entries, tree.packs, tree.windows
        self._reader = reader

    async def read(self, path: str) -> bytes | None:
        """The content of a file; None when there is no such file."""
        entry = self.entries.get(path)
        if entry is None:
            return None
        used = {chunk.pack for chunk in entry.chunks}
        found = await self._reader.fetch([ref for ref in self.packs if ref.name in used])
        return b"".join(read_chunks(found, entry))


async def committed_tree(engine: Engine, stores: TenantStores, head: Head) -> CommittedTree:
    """The newest version's tree; empty before the first commit."""
    reader = pack_reader(engine, stores, head.session_id)
    if not head.packs:
        return CommittedTree(reader, Manifest())
    newest = head.packs[-1]
    stored = await stored_tree(reader, newest, (await reader.fetch([newest]))[newest.name])
    return CommittedTree(reader, stored.manifest)


async def commit_files(
    engine: Engine, stores: TenantStores, lease: Lease, tree: CommittedTree, edits: FileEdits, labels: Mapping[str, Any]
) -> Head:
    """Write the edits as version n+1 and return the head; `LeaseLost` or `Unavailable`: nothing counts.

    `labels` needs a `kind` for the list of versions.
    """
    head = lease.head
    pack = PackParts(lease.next_pack())
    entries = _edited(tree.entries, edits, pack)
    older = _stays(engine, tree, entries, pack.size)
    names = {ref.name for ref in older}
    gone = [ref for ref in tree.packs if ref.name not in names]
    moved = await move_tree(engine, stores, head.session_id, entries, gone, pack)
    told = {
        "previous": head.packs[-1].name if head.packs else None,
        "agent_session_id": head.agent_session_id,
        **labels,
    }
    packs = await store_tree(
        engine, stores, head.session_id, moved, pack, older=older, windows=tree.windows, labels=told
    )
    await lease.commit(
        replace(
            head,
            version=head.version + 1,
            packs=packs,
            updated_at=engine.clock.now(),
            last_active_region=engine.policy.region,
        )
    )
    return lease.head


def _edited(entries: Mapping[str, Entry], edits: FileEdits, pack: PackParts) -> dict[str, Entry]:
    changed = {path: entry for path, entry in entries.items() if path not in edits.remove}
    for path, content in edits.put.items():
        chunks = with_chunk((), pack.add(content)) if content else ()
        changed[path] = Entry(FILE, len(content), MODE, content_digest(content), "", chunks)
    for path, content in edits.append.items():
        before = changed.get(path)
        chunks = with_chunk(before.chunks if before else (), pack.add(content))
        changed[path] = Entry(APPEND, sum(chunk.length for chunk in chunks), MODE, "", "", chunks)
    return changed


def _stays(engine: Engine, tree: CommittedTree, entries: Mapping[str, Entry], new_size: int) -> tuple[PackRef, ...]:
    """The live packs that the new one does not take over."""
    used = live_bytes(entries)
    live = [ref for ref in tree.packs if used.get(ref.name)]
    sizes = {ref.name: (ref.size, ref.raw) for ref in live}
    limit = engine.policy.max_packs - any(ref.shared for ref in live)  # its dictionary is one more object to read
    cold = cold_bytes(entries, tree.windows) if engine.policy.hydration == "window" else {}
    parting = packs_to_absorb_apart(live_packs(sizes, used), cold, float(new_size), limit=limit)
    return tuple(ref for ref in live if ref.name not in parting.absorbed)
