"""A key that points elsewhere than before: none of its messages is run in two of its sessions.

The mapping carries the sessions that the key has left. Before anything runs in the one it points at now, the former
ones are closed to the key: their lease is taken, so that no turn under way can commit any more (one whose lease is live
is waited for), and their head notes that the key has left, so that who still comes by the old pointer reads it again.
What the key was answered there is settled then, and can be looked up without a lease. No clock is asked whether a
message may have been run elsewhere, but for the margin behind which it is too new for it.
"""

from __future__ import annotations

from dataclasses import replace

from outlive.core.keys import SessionId, SessionKey, head_key, mapping_key, message_digest, parse_session_key
from outlive.core.sessions import Former, Head, KeyMapping, decode_mapping, encode_mapping
from outlive.errors import LeaseLost, NotFound, Refused, VersionConflict
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.flows.sessions.scan_mappings import remove_row
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.hold_lease import Busy, acquire, release_quietly
from outlive.protocols import Absent, At, Keep, Row

DAY = 86400.0
FORMER_TTL = 14 * DAY
"""As long as a queue keeps a message (SQS: 14 days)."""
MOST_FORMER = 64


def has_left(head: Head, key: SessionKey) -> bool:
    """Whether the key was pointed elsewhere: it may be back, and its mapping says so."""
    return message_digest(str(key)) in head.left


def former_sessions(before: KeyMapping | None, session_id: SessionId, now: float) -> tuple[Former, ...]:
    """What the mapping says of the past once it points at this session; `Refused` when that is too much."""
    if before is None:
        return ()
    known = [each for each in before.former if (each.closed_at or now) + FORMER_TTL > now]
    if before.session_id and before.session_id != session_id:
        known = [*(each for each in known if each.session_id != before.session_id), Former(before.session_id)]
    known = [each for each in known if each.session_id != session_id]
    while len(known) > MOST_FORMER and (closed := [each for each in known if each.closed_at is not None]):
        known.remove(closed[0])
    if len(known) > MOST_FORMER:
        raise Refused(f"session key {before.session_key} has begun anew too often.", fix="Send it a message first.")
    return tuple(known)


async def write_mapping(stores: TenantStores, mapping: KeyMapping, row: Row | None) -> Row:
    """Write it over the record that was read, or over none; `Conflict` when that has changed since."""
    expected = At(row.version, row.fence) if row else Absent()
    name, body = mapping_key(parse_session_key(mapping.session_key)), encode_mapping(mapping)
    return await stores.table.write(name, body, expected=expected, lease=Keep(), expires_at=mapping.ttl + DAY)


async def close_former(engine: Engine, stores: TenantStores, key: SessionKey, row: Row) -> Row | Busy:
    """The mapping's record with every former session closed; `Busy` while a turn runs in one of them.

    `Conflict` when the key was re-pointed meanwhile.
    """
    mapping = decode_mapping(row.body, row.key)
    waiting = [each.session_id for each in mapping.former if each.closed_at is None]
    if not waiting:
        return row
    for session_id in waiting:
        if not await _close(engine, stores, key, session_id):
            return Busy("a turn runs in the session that its key has left")
    now = engine.clock.now()
    former = tuple(replace(each, closed_at=each.closed_at or now) for each in mapping.former)
    return await write_mapping(stores, replace(mapping, former=former), row)


async def _close(engine: Engine, stores: TenantStores, key: SessionKey, session_id: SessionId) -> bool:
    """Whether no turn of the key runs, or can begin, in the session."""
    try:
        lease = await acquire(engine, stores.table, session_id)
    except NotFound:  # erased
        return True
    if isinstance(lease, Busy):
        return False
    left = lease.head.left if has_left(lease.head, key) else (*lease.head.left, message_digest(str(key)))
    try:
        await lease.release(replace(lease.head, left=left))
    except LeaseLost:
        return False
    except BaseException:
        await release_quietly(lease)
        raise
    return True


async def unpoint_key(engine: Engine, stores: TenantStores, row: Row, session_id: SessionId) -> bool:
    """Take a session that is going out of a mapping; False when that has changed or is gone.

    One that points at it is removed. While there is a former session left it stays for a while and points nowhere: the
    key's messages may have been answered there.
    """
    mapping = decode_mapping(row.body, row.key)
    former = tuple(each for each in mapping.former if each.session_id != session_id)
    after = replace(mapping, former=former)
    if mapping.session_id in (session_id, ""):
        now = engine.clock.now()
        kept = tuple([each for each in former if await _exists(engine, stores, each.session_id)])
        after = replace(mapping, session_id=SessionId(""), updated_at=now, ttl=now + FORMER_TTL, former=kept)
    if not (after.session_id or after.former):
        return await remove_row(engine, stores, row)
    try:
        await write_mapping(stores, after, row)
    except VersionConflict:
        return False
    return True


async def _exists(engine: Engine, stores: TenantStores, session_id: SessionId) -> bool:
    return await retrying(lambda: stores.table.read(head_key(session_id)), engine.clock) is not None
