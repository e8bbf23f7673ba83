"""Preferences of a user for an agent: read, patched by compare-and-set, forgotten after a week without use."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from outlive.core.json_paths import merge_patch
from outlive.core.preferences import (
    REFRESH,
    TTL,
    Preferences,
    decode_preferences,
    encode_preferences,
    preferences_key,
    user_prefix,
)
from outlive.errors import AlreadyExists, Conflict, Unavailable, VersionConflict
from outlive.flows.engine import Engine
from outlive.flows.list_all import scan_all
from outlive.flows.retry import retrying
from outlive.flows.sessions.scan_mappings import remove_row
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Absent, At, Keep, Row

ATTEMPTS = 50


async def read_preferences(engine: Engine, stores: TenantStores, user: str, agent: str) -> Preferences:
    """What is kept, nothing when there is nothing or it has run out; reading prolongs it, once a day at most."""
    key = preferences_key(user, agent)
    row = _alive(engine, await retrying(lambda: stores.stale.read(key), engine.clock))
    if row is None:
        return Preferences()
    found = decode_preferences(row.body, row.version, row.key)
    if row.expires_at is not None and row.expires_at - engine.clock.now() < TTL - REFRESH:
        with suppress(Conflict, Unavailable):  # somebody else has just done it, or will
            at = At(row.version, row.fence)
            until = engine.clock.now() + TTL
            await stores.table.write(row.key, row.body, expected=at, lease=Keep(), expires_at=until)
    return found


async def patch_preferences(
    engine: Engine,
    stores: TenantStores,
    user: str,
    agent: str,
    patch: Mapping[str, Any],
    *,
    expected: int | None = None,
) -> Preferences:
    """Merge a JSON Merge Patch into them and return the result.

    Without `expected` it is merged into whatever is there, however many write at once. With it, `VersionConflict` when
    they are at another version. `Invalid` or `TooLarge` for what cannot be kept; nothing is changed then.
    """
    key = preferences_key(user, agent)
    for _ in range(ATTEMPTS):
        row = await _row(engine, stores, key, expired=True)
        now = _alive(engine, row)
        before = decode_preferences(now.body, now.version, key) if now else Preferences()
        if expected is not None and before.version != expected:
            raise VersionConflict(
                f"preferences are at version {before.version}, not {expected}.", fix="Read them again."
            )
        values = merge_patch(before.values, patch)
        with suppress(AlreadyExists, VersionConflict):
            written = await _write(engine, stores, key, encode_preferences(values), row)
            return Preferences(written.version, values)
    raise Conflict(f"preferences of {user!r} are written by too many at once.", fix="Try again.")


async def erase_preferences(engine: Engine, stores: TenantStores, user: str) -> int:
    """Remove what every agent keeps about this user, and return how many records that were."""
    rows = await scan_all(stores.table, user_prefix(user), engine.clock)
    for row in rows:
        await remove_row(engine, stores, row)
    return len(rows)


async def _row(engine: Engine, stores: TenantStores, key: str, *, expired: bool = False) -> Row | None:
    row = await retrying(lambda: stores.table.read(key), engine.clock)
    return row if expired else _alive(engine, row)


def _alive(engine: Engine, row: Row | None) -> Row | None:
    is_over = row is not None and row.expires_at is not None and row.expires_at <= engine.clock.now()
    return None if is_over else row


async def _write(engine: Engine, stores: TenantStores, key: str, body: bytes, row: Row | None) -> Row:
    """One conditional write. Unanswered, it may have landed: to merge the same patch again does no harm."""
    expected = At(row.version, row.fence) if row else Absent()
    return await stores.table.write(key, body, expected=expected, lease=Keep(), expires_at=engine.clock.now() + TTL)
