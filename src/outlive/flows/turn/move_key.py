"""A session key that points elsewhere than before: what it pointed at is noted."""

from __future__ import annotations

import json

from outlive.core.keys import SessionId, SessionKey, mapping_key
from outlive.flows.engine import Engine
from outlive.flows.overwrite import overwrite
from outlive.flows.tenant_stores import TenantStores

MOVED = "moved/"
MOVED_TTL = 14 * 86400.0
"""As long as a queue keeps a message (SQS: 14 days)."""


def moved_key(key: SessionKey) -> str:
    """Where it is noted what a key pointed at before, below the tenant."""
    return MOVED + mapping_key(key).removeprefix("key/")


async def note_move(engine: Engine, stores: TenantStores, key: SessionKey, before: SessionId) -> None:
    """Note where the key has pointed until now; written before it is re-pointed."""
    now = engine.clock.now()
    body = json.dumps([before, now]).encode()
    await overwrite(stores.table, moved_key(key), body, engine.clock, expires_at=now + MOVED_TTL)
