"""Packs that no kept version of a session names any more, removed while turns go on.

Why nothing that is needed can be hit (the reasons are tests in tests/flows/test_sweep_session.py):

- A pack of a version up to the head's, `n`, is judged without the lease. Those versions are settled for good: a running
  turn builds on what is live at `n`, a rewind shares only what is live when it commits, and what is live at a later
  version and was there at `n` was live at `n`. So a pack that no kept version names then is never named again,
  however late it is deleted. A fork or a diff that was reading it fails by name, and reads again from the newer head.
- A pack of version `n + 1` may be a running turn's, or a dead one's that is about to be finished. It is judged
  only when it has been there for `GRACE` and the lease could be taken, and deleted only after one conditional write has
  said that every fence so far is settled: then no holder looks for it (`find_flushes`), and no older one can commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from outlive.core.audit_chain import CONVERSATIONS
from outlive.core.keys import SessionId, head_key
from outlive.core.packs import PackName, parse_pack_name
from outlive.core.sessions import Head, decode_head, settled
from outlive.errors import Conflict, NotFound
from outlive.flows.engine import Engine
from outlive.flows.list_all import PAGE, list_all
from outlive.flows.progress import Progress, unwatched
from outlive.flows.retry import retrying
from outlive.flows.sessions.walk_history import list_packs, walk_history
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.hold_lease import release_quietly
from outlive.flows.turn.take_session import take_session
from outlive.protocols import Clock, ObjectInfo, Objects

GRACE = 3600.0
"""Seconds for which what a dead worker flushed waits for its message to come again."""

Packs = dict[PackName, ObjectInfo]


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep of one session did."""

    session_id: SessionId
    versions: int
    """Kept ones."""
    packs: int
    """Left in the store."""
    removed: int
    removed_bytes: int


async def sweep_session(
    engine: Engine, stores: TenantStores, session_id: SessionId, *, progress: Progress = unwatched
) -> Swept:
    """Remove what the last `policy.keep_versions` versions do not need.

    `NotFound` without a head; `Corrupt` when a pack that is needed is damaged or missing: nothing is removed then.
    """
    row = await retrying(lambda: stores.table.read(head_key(session_id)), engine.clock)
    if row is None:
        raise NotFound(f"session {session_id} does not exist.", fix="See `outlive sessions list`.")
    head = decode_head(row.body, row.key)
    packs = await list_packs(engine, stores, session_id)
    settled_packs = {name: info for name, info in packs.items() if _version(name) <= head.version}
    versions, unneeded = await _unneeded(engine, stores, head, settled_packs)
    leftovers = {name: info for name, info in packs.items() if name not in settled_packs}
    dead = unneeded | await _disowned(engine, stores, head, leftovers)
    await remove_objects(engine, stores, [info.key for info in dead.values()], progress)
    size = sum(info.size for info in dead.values())
    return Swept(session_id, versions, len(packs) - len(dead), len(dead), size)


async def _unneeded(engine: Engine, stores: TenantStores, head: Head, packs: Packs) -> tuple[int, Packs]:
    """How many versions are kept, and the packs that none of them names."""
    needed: set[PackName] = set()
    kept, is_whole, oldest = 0, True, 0
    async with aclosing(walk_history(engine, stores, head, packs)) as versions:
        async for version in versions:
            needed |= {ref.name for ref in version.tree.packs}
            kept += 1
            oldest = version.number
            is_whole = version.previous is None or kept == engine.policy.keep_versions
    # A history that breaks off early was cut by a shorter retention, or has lost a pack that a backup may still bring
    # back: what lies before the break is left alone.
    floor = 0 if is_whole else oldest
    return kept, {n: info for n, info in packs.items() if n not in needed and _version(n) >= floor}


async def _disowned(engine: Engine, stores: TenantStores, head: Head, leftovers: Packs) -> Packs:
    """The packs of a turn that was never committed, once nobody can finish it any more; none while somebody may."""
    now = engine.clock.now()
    if not leftovers or any(info.modified_at + GRACE > now for info in leftovers.values()):
        return {}
    try:
        lease = await take_session(engine, stores, head.session_id)
    except Conflict:
        return {}
    if lease.head.version != head.version:
        await release_quietly(lease)
        return {}
    await lease.release(settled(lease.head, lease.fence))
    return {name: info for name, info in leftovers.items() if parse_pack_name(name)[1] < lease.fence}


async def remove_objects(engine: Engine, stores: TenantStores, keys: list[str], progress: Progress = unwatched) -> None:
    """Delete them, a page at a time; what is gone already is no error."""
    await remove_from(stores.objects, engine.clock, keys, progress)


async def remove_from(objects: Objects, clock: Clock, keys: Sequence[str], progress: Progress = unwatched) -> None:
    """The same from any store."""
    for start in range(0, len(keys), PAGE):
        page = keys[start : start + PAGE]
        await retrying(lambda page=page: objects.delete(page), clock)  # type: ignore[misc]
        progress(min(start + PAGE, len(keys)), len(keys))


async def conversations_of(engine: Engine, stores: TenantStores, session_id: SessionId) -> list[ObjectInfo]:
    """What the archive keeps of a session's text."""
    return await list_all(stores.archive, f"{CONVERSATIONS}{session_id}/", engine.clock)


def _version(name: PackName) -> int:
    return parse_pack_name(name)[0]
