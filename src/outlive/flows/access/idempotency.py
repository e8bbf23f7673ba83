"""Idempotency keys: the same key with the same request is the same message, with another request a conflict."""

from __future__ import annotations

from hashlib import sha256

from outlive.core.keys import SessionKey
from outlive.core.sessions import SESSION_TTL
from outlive.errors import AlreadyExists, Conflict
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.protocols import Absent, Free

REQUESTS = "sent/"
"""Prefix of the records, below a tenant. They hold digests only."""


async def claim_message_id(engine: Engine, key: SessionKey, message_id: str, request: bytes) -> None:
    """Bind the id to this request for as long as a session may rest; `Conflict` when it is bound to another one.

    One conditional write, and a read for a repeat.
    """
    table = engine.stores(key.tenant).table
    name = REQUESTS + sha256("\n".join((str(key), message_id)).encode()).hexdigest()
    body, until = sha256(request).hexdigest().encode(), engine.clock.now() + SESSION_TTL

    async def write() -> None:
        await table.write(name, body, expected=Absent(), lease=Free(), expires_at=until)

    try:
        await retrying(write, engine.clock)
    except AlreadyExists:
        row = await retrying(lambda: table.read(name), engine.clock)
        if row is not None and row.body != body:
            raise Conflict(
                f"Idempotency-Key {message_id!r} was used with another request in this session.",
                fix="Send the same request again, or use another key.",
            ) from None
