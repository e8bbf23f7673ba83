"""From a session key to its session: the mapping, read, made, refreshed, re-pointed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from outlive.core.keys import SessionId, SessionKey, head_key, mapping_key, written_key
from outlive.core.sessions import SESSION_TTL, Head, KeyMapping, decode_head, decode_mapping
from outlive.errors import Conflict, Corrupt, NotFound, Refused, Unavailable, VersionConflict
from outlive.flows.engine import Engine, NoSpares
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.former_sessions import DAY, close_former, former_sessions, has_left, write_mapping
from outlive.flows.turn.hold_lease import Busy, Lease, acquire, create, release_quietly
from outlive.protocols import Row

ATTEMPTS = 5
OWN_CHANNELS = ("api", "console")
"""Of the HTTP API and of the command line: a short session key means its own one's, so that each is asked here."""


async def find_mapping(engine: Engine, stores: TenantStores, key: SessionKey) -> KeyMapping | None:
    """The mapping of a key, or None when there is none or its time is over. A read error is an error, never None."""
    row = await _mapping_row(engine, stores, key)
    mapping = decode_mapping(row.body, row.key) if row else None
    return mapping if mapping and _points(engine, mapping) else None


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
        raise await no_session(engine, stores, key)
    return found.session_id


async def no_session(engine: Engine, stores: TenantStores, key: SessionKey) -> NotFound:
    """What to say of a key without a session: a chat of the same name may have one on another channel."""
    if other := await find_on_other_channel(engine, stores, key):
        return NotFound(f"session key {key} has no session.", fix=f"Name the channel too: {other} has one.")
    written = written_key(replace(key, channel="CHANNEL"))
    fix = f"Send it a message first, or see `outlive sessions list`. Another channel's is {written}."
    return NotFound(f"session key {key} has no session.", fix=fix)


async def find_on_other_channel(engine: Engine, stores: TenantStores, key: SessionKey) -> str:
    """The key of the same chat and thread on the first other channel where it has a session; empty without one.

    One read for each channel that is set up.
    """
    for channel in sorted({*OWN_CHANNELS, *engine.channels} - {key.channel}):
        there = replace(key, channel=channel)
        if await find_mapping(engine, stores, there):
            return written_key(there)
    return ""


async def hold_session(engine: Engine, stores: TenantStores, key: SessionKey, profile: str) -> Lease | Busy:
    """The lease of the session behind a key, which is made when there is none or its time is over."""
    for _ in range(ATTEMPTS):
        row = await _mapping_row(engine, stores, key)
        if row is None:
            return await _make(engine, stores, key, profile, row)
        with suppress(Conflict):  # it was re-pointed while its former sessions were closed
            held = await _hold(engine, stores, key, profile, row)
            if held is not None:
                return held
    return Busy(f"session key {key} passes from session to session")


async def _hold(engine: Engine, stores: TenantStores, key: SessionKey, profile: str, row: Row) -> Lease | Busy | None:
    """The lease of the session behind the mapping that was read; None when the mapping has to be read again."""
    settled = await close_former(engine, stores, key, row)
    if isinstance(settled, Busy):
        return settled
    mapping = decode_mapping(settled.body, settled.key)
    lease = await _acquire(engine, stores, mapping) if _points(engine, mapping) else None
    if isinstance(lease, Busy):
        return lease
    if lease is None or lease.head.expires_at <= engine.clock.now():
        if lease is not None:
            await release_quietly(lease)
        return await _make_behind(engine, stores, key, profile, settled)
    if has_left(lease.head, key) and not await _is_as_read(engine, stores, settled, lease):
        return None
    lease.former = mapping.former
    await _refresh(engine, stores, key, mapping, settled)
    return lease


async def _acquire(engine: Engine, stores: TenantStores, mapping: KeyMapping) -> Lease | Busy:
    try:
        return await acquire(engine, stores.table, mapping.session_id)
    except NotFound as error:
        raise Corrupt(
            f"session {mapping.session_id} of key {mapping.session_key} has lost its head.",
            fix="Restore the table from a backup, or start a new session with /new.",
        ) from error


async def _make_behind(
    engine: Engine, stores: TenantStores, key: SessionKey, profile: str, row: Row
) -> Lease | Busy | None:
    """A session in the place of one that is over; None, for that one has to be closed to the key first."""
    lease = await _make(engine, stores, key, profile, row)
    if isinstance(lease, Lease):
        await lease.release()
        return None
    return lease


async def _is_as_read(engine: Engine, stores: TenantStores, row: Row, lease: Lease) -> bool:
    """Whether the mapping has not changed, so that the key that once left is back; otherwise the lease is given back.

    From here on whoever points it elsewhere has to wait for this lease, or to take it, before anything is run there.
    """
    try:
        now = await retrying(lambda: stores.table.read(row.key), engine.clock)
    except BaseException:
        await release_quietly(lease)
        raise
    if now is not None and (now.version, now.fence) == (row.version, row.fence):
        return True
    await release_quietly(lease)
    return False


def _points(engine: Engine, mapping: KeyMapping) -> bool:
    """Whether it points anywhere, and its time is not over."""
    return bool(mapping.session_id) and mapping.ttl + DAY > engine.clock.now()


async def start_anew(engine: Engine, stores: TenantStores, key: SessionKey, profile: str) -> SessionId:
    """Point the key at a fresh session (`/new`); the old one stays and can be found by its id."""
    row = await _mapping_row(engine, stores, key)
    # its first turn may come to another worker: the process that waits here is for a session that is to run now
    made = await _make(replace(engine, spares=NoSpares()), stores, key, profile, row)
    if isinstance(made, Busy):
        raise VersionConflict(f"session key {key} was re-pointed by somebody else just now.", fix="Try again.")
    await made.release()
    return made.head.session_id


async def point_key(
    engine: Engine, stores: TenantStores, key: SessionKey, session_id: SessionId, row: Row | None
) -> None:
    """Write the mapping over `row`, the one that was read; `Conflict` when it has changed since.

    The session that it pointed at before becomes a former one, which is closed to the key before its next turn.
    """
    now = engine.clock.now()
    before = decode_mapping(row.body, row.key) if row else None
    created, former = before.created_at if before else now, former_sessions(before, session_id, now)
    mapping = KeyMapping(str(key), session_id, key.chat_id, key.thread_id, created, now, now + SESSION_TTL, former)
    await write_mapping(stores, mapping, row)


async def _make(engine: Engine, stores: TenantStores, key: SessionKey, profile: str, row: Row | None) -> Lease | Busy:
    """Head first, mapping second: a crash between them leaves a head nobody points at, never a pointer to nothing."""
    now = engine.clock.now()
    region = engine.policy.region
    head = Head(
        SessionId(engine.spares.offer(profile) or engine.new_id()),
        str(key),
        now,
        now,
        profile=profile,
        region=region,
        last_active_region=region,
    )
    lease = await create(engine, stores.table, head)
    try:
        await point_key(engine, stores, key, head.session_id, row)
    except Conflict:
        there = await _mapping_row(engine, stores, key)
        if there and decode_mapping(there.body, there.key).session_id == head.session_id:
            return lease  # a client beneath us has sent it twice: the first one landed
        await lease.remove()
        return await hold_session(engine, stores, key, profile)
    except (Unavailable, Refused):
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
