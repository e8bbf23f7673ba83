"""The record that tells the retry loop that a session has replies left, and when the next one is due."""

from __future__ import annotations

from outlive.core.keys import SessionId, Tenant
from outlive.core.outbox import Waiting, encode_waiting, outbox_key
from outlive.flows.engine import Engine
from outlive.flows.overwrite import overwrite


async def remember_outbox(engine: Engine, tenant: Tenant, session_id: SessionId, at: float, since: float = 0.0) -> None:
    """Write it before the message is acknowledged: from then on nothing else brings the reply back.

    A record that outlasts its outbox costs one look; a session without a record would be forgotten.
    """
    body = encode_waiting(Waiting(tenant, session_id, at, since))
    await overwrite(engine.table, outbox_key(tenant, session_id), body, engine.clock, expires_at=None)
