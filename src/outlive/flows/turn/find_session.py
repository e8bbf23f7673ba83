"""From a session key to its session: the mapping, read, made, refreshed, re-pointed."""

from __future__ import annotations

from contextlib import suppress

from outlive.core.keys import SessionId, SessionKey, head_key, mapping_key
from outlive.core.sessions import SESSION_TTL, Head, KeyMapping, decode_head, decode_mapping, encode_mapping
from outlive.errors import Conflict, Corrupt, NotFound, Unavailable, VersionConflict
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.hold_lease import Busy, Lease, acquire, create, release_quietly
from outlive.flows.turn.move_key import note_move
from outlive.protocols import Absent, At, Keep, Row

DAY = 86400.0


async def find_mapping(engine: Engine, stores: TenantStores, key: SessionKey) -> KeyMapping | None:
    """The mapping of a key, or None when there is none or its time is over. A read error is an error, never None."""
    row = await _mapping_row(engine, stores, key)
    mapping = decode_mapping(row.body, row.key) if row else None
    return mapping if mapping and mapping.ttl + DAY > engine.clock.now() else None


async def find_head(engine: Engine, stores: TenantStores, session_id: SessionId) -> Head:
    """The head, without its lease; `NotFound` when there is none or its time is over."""
    key = head_key(session_id)
    row = await retrying(lambda: stores.table.read(key), engine.clock)
    if row is None or (row.expires_at or engine.clock.now() + 1) <= engine.clock.now():
        raise NotFound(f"session {session_id} does not exist.", fix="See `outlive sessions list`.")
    return decode_head(row.body, key)


async def find_session(engine: Engine, stores: TenantStores, key: SessionKey) -> SessionId:
    """The id of the session behind a key; `NotFound` when it has none."""
    found = await find_mapping(engine, stores, key)
    if found is None:
        raise NotFound(
            f"session key {key} has no session.", fix="Send it a message first, or see `outlive sessions list`."
        )
    return found.session_id


async def hold_session(engine: Engine, stores: TenantStores, key: SessionKey, profile: str) -> Lease | Busy:
    """The lease of the session behind a key, which is made when there is none or its time is over."""
    row = await _mapping_row(engine, stores, key)
    if row is None or decode_mapping(row.body, row.key).ttl + DAY <= engine.clock.now():
        return await _make(engine, stores, key, profile, row)
    mapping = decode_mapping(row.body, row.key)
    try:
        lease = await acquire(engine, stores.table, mapping.session_id)
    except NotFound as error:
        raise Corrupt(
            f"session {mapping.session_id} of key {key} has lost its head.",
            fix="Restore the table from a backup, or start a new session with /new.",
        ) from error
    if isinstance(lease, Busy):
        return lease
    if lease.head.expires_at <= engine.clock.now():
        await release_quietly(lease)
        return await _make(engine, stores, key, profile, row)
    lease.pointed_at = mapping.updated_at
    await _refresh(engine, stores, key, mapping, row)
    return lease


async def start_anew(engine: Engine, stores: TenantStores, key: SessionKey, profile: str) -> SessionId:
    """Point the key at a fresh session (`/new`); the old one stays and can be found by its id."""
    row = await _mapping_row(engine, stores, key)
    if row is not None:
        await note_move(engine, stores, key, decode_mapping(row.body, row.key).session_id)
    made = await _make(engine, stores, key, profile, row)
    if isinstance(made, Busy):
        raise VersionConflict(f"session key {key} was re-pointed by somebody else just now.", fix="Try again.")
    await made.release()
    return made.head.session_id


async def point_key(
    engine: Engine, stores: TenantStores, key: SessionKey, session_id: SessionId, row: Row | None
) -> None:
    """Write the mapping over `row`, the one that was read; `Conflict` when it has changed since."""
    now = engine.clock.now()
    created = decode_mapping(row.body, row.key).created_at if row else now
    mapping = KeyMapping(str(key), session_id, key.chat_id, key.thread_id, created, now, now + SESSION_TTL)
    expected = At(row.version, row.fence) if row else Absent()
    await stores.table.write(
        mapping_key(key), encode_mapping(mapping), expected=expected, lease=Keep(), expires_at=mapping.ttl + DAY
    )


async def _make(engine: Engine, stores: TenantStores, key: SessionKey, profile: str, row: Row | None) -> Lease | Busy:
    """Head first, mapping second: a crash between them leaves a head nobody points at, never a pointer to nothing."""
    now = engine.clock.now()
    region = engine.policy.region
    head = Head(
        SessionId(engine.new_id()), str(key), now, now, profile=profile, region=region, last_active_region=region
    )
    lease = await create(engine, stores.table, head)
    try:
        await point_key(engine, stores, key, head.session_id, row)
    except Conflict:
        await lease.remove()
        return await hold_session(engine, stores, key, profile)
    except Unavailable:
        await release_quietly(lease)
        raise
    return lease


async def _refresh(engine: Engine, stores: TenantStores, key: SessionKey, mapping: KeyMapping, row: Row) -> None:
    """Slide the mapping's TTL, at most once a day: the head's own is exact and slides with every commit."""
    if mapping.updated_at + DAY > engine.clock.now():
        return
    with suppress(Conflict):
        await point_key(engine, stores, key, mapping.session_id, row)


async def _mapping_row(engine: Engine, stores: TenantStores, key: SessionKey) -> Row | None:
    name = mapping_key(key)
    return await retrying(lambda: stores.table.read(name), engine.clock)
