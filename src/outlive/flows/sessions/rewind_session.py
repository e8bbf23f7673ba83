"""A session taken back to an earlier version, as a new version: nothing is lost, nothing is answered twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from outlive.core.compaction import live_packs, packs_to_absorb_apart
from outlive.core.keys import SessionId
from outlive.core.ledger import PATH
from outlive.core.manifests import Entry, Manifest, live_bytes
from outlive.core.packs import PackRef
from outlive.core.sessions import Head
from outlive.core.windows import cold_bytes
from outlive.errors import Corrupt, NotFound
from outlive.flows.engine import Engine
from outlive.flows.sessions.walk_damaged import find_readable, salvage_ledger
from outlive.flows.sessions.walk_history import Version, find_versions
from outlive.flows.sessions.write_tree import PackParts, move_tree, store_tree
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.capture_tree import COMPRESSION
from outlive.flows.turn.hold_lease import Lease, release_quietly, renewed
from outlive.flows.turn.read_packs import pack_reader
from outlive.flows.turn.take_session import PATIENCE, take_session

WORK = "work/"


@dataclass(frozen=True, slots=True)
class Rewound:
    """A rewind as it was made."""

    session_id: SessionId
    to: int
    """The version whose files the session has again."""
    before: int
    after: int
    bytes_written: int
    files_only: bool = False


async def rewind_session(
    engine: Engine,
    stores: TenantStores,
    session_id: SessionId,
    version: int,
    *,
    salvage: bool = False,
    files_only: bool = False,
) -> Rewound:
    """Commit the tree of an older version as a new one; the ledger and the outbox stay as they are now.

    With `files_only` just the working directory is taken back, and the conversation goes on as it is.

    What a worker that died had flushed is dropped by it. `Conflict` while a turn runs, `Invalid` for a version that is
    not there any more or not yet, naming those that are, `Corrupt` when a pack it takes is damaged; the session is
    unchanged then. With `salvage`, newer versions may be damaged: ledger lines that cannot be read are left blank, so
    that their messages are still known to be answered, and never run again.
    """
    lease = await take_session(
        engine, stores, session_id, patience=PATIENCE, fix="Wait for the turn to end, and try again."
    )
    try:
        async with renewed(engine, lease):
            rewound = await _rewind(engine, stores, lease, version, salvage=salvage, files_only=files_only)
        await lease.release()
    except Corrupt as error:
        await asyncio.shield(release_quietly(lease))
        raise Corrupt(error.message, fix="Rewind to a version before the damage, with --salvage.") from error
    except BaseException:
        await asyncio.shield(release_quietly(lease))
        raise
    return rewound


async def _rewind(
    engine: Engine, stores: TenantStores, lease: Lease, version: int, *, salvage: bool, files_only: bool
) -> Rewound:
    head = lease.head
    if head.expires_at <= engine.clock.now():
        raise NotFound(f"session {head.session_id} does not exist.", fix="See `outlive sessions list`.")
    pack = PackParts(lease.next_pack())
    if salvage:
        newest, found = await find_readable(engine, stores, head, version)
        ledger = await salvage_ledger(engine, stores, head, newest, pack)
    else:
        newest, found = await find_versions(engine, stores, head, head.version, version)
        ledger = newest.tree.entries.get(PATH)
    if files_only:
        found = _with_todays_conversation(found, newest)
    # The old tree, but today's ledger: a message that was answered once is never run again.
    entries = {path: entry for path, entry in found.tree.entries.items() if path != PATH}
    packs = await _write(engine, stores, lease, found, entries | ({PATH: ledger} if ledger else {}), pack)
    await lease.commit(_rewound(engine, lease, found, packs))
    return Rewound(head.session_id, found.number, head.version, lease.head.version, packs[-1].size, files_only)


def _with_todays_conversation(found: Version, newest: Version) -> Version:
    """The older version's working directory in the newest version's tree."""
    kept = {path: entry for path, entry in newest.tree.entries.items() if not path.startswith(WORK)}
    taken = {path: entry for path, entry in found.tree.entries.items() if path.startswith(WORK)}
    refs = {ref.name: ref for ref in (*found.tree.packs, *newest.tree.packs)}
    tree = Manifest(kept | taken, tuple(refs.values()), newest.tree.windows)
    return replace(found, tree=tree, agent_session_id=newest.agent_session_id)


async def _write(
    engine: Engine, stores: TenantStores, lease: Lease, found: Version, entries: dict[str, Entry], pack: PackParts
) -> tuple[PackRef, ...]:
    """One pack with the whole manifest and every byte that no live pack holds.

    Only packs that are live now are shared. A sweep that judges by an older head or a shorter retention may be removing
    any other at this moment: what is read from those either comes whole into the new pack, or fails the rewind. What is
    shared is verified too: a rewind that would not restore is none.
    """
    older = _stays(engine, lease.head, found, entries)
    names = {ref.name for ref in older}
    others = {ref.name: ref for ref in (*found.tree.packs, *lease.head.packs) if ref.name not in names}
    session_id = lease.head.session_id
    await _verify(engine, stores, session_id, older)
    moved = await move_tree(engine, stores, session_id, entries, tuple(others.values()), pack)
    labels = {
        "kind": "rewind",
        "previous": lease.head.packs[-1].name,
        "agent_session_id": found.agent_session_id,
        "from": {"session": session_id, "version": found.number},
    }
    return await store_tree(
        engine, stores, session_id, moved, pack, older=older, windows=found.tree.windows, labels=labels
    )


async def _verify(engine: Engine, stores: TenantStores, session_id: SessionId, refs: Sequence[PackRef]) -> None:
    """Read each and let it go again; `Corrupt` names one that is damaged."""
    for ref in refs:
        await pack_reader(engine, stores, session_id).fetch([ref])


def _stays(engine: Engine, head: Head, found: Version, entries: dict[str, Entry]) -> tuple[PackRef, ...]:
    """Live packs that the old tree still uses, as long as they are neither too many nor mostly dead weight."""
    used = live_bytes(entries)
    live = [ref for ref in head.packs if used.get(ref.name)]
    names = {ref.name for ref in live}
    copied = sum(used[ref.name] for ref in found.tree.packs if ref.name in used and ref.name not in names)
    sizes = {ref.name: (ref.size, ref.raw) for ref in live}
    limit = engine.policy.max_packs - any(ref.shared for ref in live)  # its dictionary is one more object to read
    cold = cold_bytes(entries, found.tree.windows) if engine.policy.hydration == "window" else {}
    parting = packs_to_absorb_apart(live_packs(sizes, used), cold, copied / COMPRESSION, limit=limit)
    return tuple(ref for ref in live if ref.name not in parting.absorbed)


def _rewound(engine: Engine, lease: Lease, found: Version, packs: tuple[PackRef, ...]) -> Head:
    """The head after it: no older tree on any machine is a base for this version any more."""
    number = lease.head.version + 1
    return replace(
        lease.head,
        version=number,
        lineage=number,
        agent_session_id=found.agent_session_id,
        packs=packs,
        updated_at=engine.clock.now(),
        last_active_region=engine.policy.region,
        clean_fence=lease.fence,
        approval=None,  # its call is not in this tree, or was answered since
    )
