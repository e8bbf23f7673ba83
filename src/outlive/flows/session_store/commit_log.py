"""A stored session moving on by one version: a pack, one conditional write, and the packs nothing reads any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from outlive.core.boilerplate import SMALL_PACKS
from outlive.core.dictionaries import DROP_FROM
from outlive.core.keys import SessionId, pack_prefix
from outlive.core.manifests import Manifest
from outlive.core.packs import Pack, PackRef, encode_pack, pack_ref
from outlive.core.store_heads import Drafted, StoreHead, dead_packs, encode_store_head
from outlive.core.trees import TreeState, index_of
from outlive.errors import AlreadyExists, Unavailable, VersionConflict
from outlive.flows.list_all import list_all
from outlive.flows.pack_threads import encoded
from outlive.flows.retry import put_once, retrying
from outlive.flows.session_store.parts import StoreParts
from outlive.flows.session_store.stored_sessions import Doubt, StoredSession
from outlive.protocols import Absent, At, Keep, Row

CONFLICTS = 64
"""How often other writers may be first before the caller is told to try later."""
SWEEP_EVERY = 32
"""Versions between two sweeps: a listing and a delete every so often, and dead packs never pile up."""
SWEEP_BYTES = 1 << 20
"""A commit that takes over this many bytes is swept after at once."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What is to be written."""

    drafted: Drafted
    head: Callable[[StoreHead, tuple[PackRef, ...]], StoreHead]
    """The next head, from the one before and the live packs."""
    batches: int = 0
    """How many batches of the backlog it holds."""
    added: Mapping[str, set[str]] = field(default_factory=dict)
    """The uuids it adds to each log."""


async def commit(parts: StoreParts, session: StoredSession, wanted: Commit) -> bool:
    """Write the pack, then move the head; False when somebody else moved it first, and then nothing has changed.

    `Unavailable` when the outcome is not known: the pack stays among the session's doubts until a look settles it.
    """
    before = session.head or StoreHead(session.session, SessionId(parts.new_id()), parts.clock.now())
    drafted, draft, data = wanted.drafted, wanted.drafted.draft, wanted.drafted.draft.data
    index, base, base_entries = index_of(draft, drafted.state, drafted.live)
    encoded = await _encode({"session": before.packs_id, **index}, data)
    refs = (*drafted.live, pack_ref(draft.name, encoded, len(data)))
    await put_once(parts.objects, pack_prefix(before.packs_id) + draft.name, encoded, parts.clock)
    version = session.row.version + 1 if session.row else 1
    session.current = False
    session.doubts.append(Doubt(before.packs_id, draft.name, version, wanted.batches))
    head = wanted.head(before, refs)
    row = await write_head(parts, session.key, session.row, head)
    if row is None:
        return False
    session.packs[draft.name] = Pack(index, memoryview(data))
    tree = TreeState(before.packs_id, row.version, Manifest(draft.entries, refs), base, base_entries)
    _moved_on(session, row, head, tree, wanted)
    taken = sum(ref.size for ref in before.packs if ref not in refs)
    if row.version % SWEEP_EVERY == 0 or taken >= SWEEP_BYTES:
        with suppress(Unavailable):  # the entries are stored; the next sweep takes these packs along
            await sweep(parts, session)
    return True


async def _encode(index: Mapping[str, object], data: bytes) -> bytes:
    if len(data) <= DROP_FROM:
        return encode_pack(index, data, SMALL_PACKS)
    return await encoded(index, [data])


def _moved_on(session: StoredSession, row: Row, head: StoreHead, tree: TreeState, done: Commit) -> None:
    """Nothing is awaited here: either all of what the process knows moves on, or nothing."""
    session.row, session.head, session.tree, session.current = row, head, tree, True
    session.claim = session.seen
    for path, uuids in done.added.items():
        session.logs[path].uuids |= uuids
        session.logs[path].size = tree.manifest.entries[path].size
    del session.backlog[: done.batches]
    session.doubts.clear()


async def write_head(parts: StoreParts, key: str, row: Row | None, head: StoreHead) -> Row | None:
    """One conditional write; None when the row is no longer as it was, be it by an unanswered try of this very write.

    `Unavailable` when the outcome is not known.
    """
    body, expected = encode_store_head(head), At(row.version, row.fence) if row else Absent()
    ttl = parts.policy.ttl_seconds
    expires_at = None if ttl is None else parts.clock.now() + ttl
    write = partial(parts.table.write, key, body, expected=expected, lease=Keep(), expires_at=expires_at)
    try:
        return await retrying(write, parts.clock)
    except (VersionConflict, AlreadyExists):
        return None


async def settle_doubts(parts: StoreParts, session: StoredSession) -> None:
    """Find out what became of unanswered commits, now that the session has been looked at.

    One that landed takes its batches out of the backlog. One that did not can still land while the row is at the
    version before it, so its pack is removed only when the row has moved on.
    """
    head = session.head
    written = {*head.commits, *(ref.name for ref in head.packs)} if head else set()
    version = session.row.version if session.row else 0
    landed = next((doubt for doubt in session.doubts if doubt.name in written), None)
    if landed:
        del session.backlog[: landed.batches]
    lost = [doubt for doubt in session.doubts if doubt is not landed and doubt.version <= version]
    session.doubts = [doubt for doubt in session.doubts if not landed and doubt.version > version]
    if lost:
        with suppress(Unavailable):  # the sweep finds them later
            await parts.objects.delete([pack_prefix(doubt.packs_id) + doubt.name for doubt in lost])


def too_busy(session: StoredSession) -> Unavailable:
    """Somebody else was first again and again."""
    return Unavailable(f"session {session.session!r} is being changed by too many writers.", fix="Try again.")


# ---------------------------------------------------------------------------------------------- sweeping


async def sweep(parts: StoreParts, session: StoredSession) -> None:
    """Remove the session's packs that nothing will ever read."""
    if session.head and session.row:
        live = {ref.name for ref in session.head.packs}
        names = await _stored_names(parts, session.head.packs_id)
        await _remove(parts, session.head.packs_id, dead_packs(names, session.row.version, live))


async def remove_packs(parts: StoreParts, packs_id: SessionId) -> None:
    """Remove every pack of a session that is gone."""
    await _remove(parts, packs_id, await _stored_names(parts, packs_id))


async def _stored_names(parts: StoreParts, packs_id: SessionId) -> list[str]:
    prefix = pack_prefix(packs_id)
    return [info.key.removeprefix(prefix) for info in await list_all(parts.objects, prefix, parts.clock)]


async def _remove(parts: StoreParts, packs_id: SessionId, names: list[str]) -> None:
    keys = [pack_prefix(packs_id) + name for name in names]
    if keys:
        await retrying(lambda: parts.objects.delete(keys), parts.clock)
