"""The options of one session: read, and changed between two turns."""

from __future__ import annotations

from dataclasses import replace

from outlive.core.keys import SessionId, SessionKey
from outlive.core.session_options import DEFAULT, SessionOptions, parse_while_busy
from outlive.errors import Conflict, Invalid, NotFound
from outlive.flows.engine import Engine
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_session import find_head, find_session, start_anew
from outlive.flows.turn.take_session import PATIENCE, take_session

OFFERED_FIX = "OUTLIVE_MODELS names those that a session may choose."


async def change_options(
    engine: Engine, key: SessionKey, *, model: str | None = None, while_busy: str | None = None
) -> SessionOptions:
    """Choose for the key's session, from its next turn on; None leaves a choice as it is, `default` takes it back.

    A key without a session gets one. `Invalid` for a model that is not offered or a mode that is not known;
    `Conflict` while a turn runs: the head is its worker's until then.
    """
    stores = engine.stores(key.tenant)
    if model not in (None, DEFAULT, *engine.policy.models):
        raise Invalid(f"model {model!r} is not offered.", fix=OFFERED_FIX)
    mode = parse_while_busy(while_busy) if while_busy is not None else None
    try:
        lease = await take_session(engine, stores, await _session(engine, stores, key), patience=PATIENCE)
    except Conflict as error:
        raise Conflict(
            "a turn is running in this session.", fix="Do it again when the turn has ended, or stop the turn first."
        ) from error
    options = lease.head.options
    if model is not None:
        options = replace(options, model="" if model == DEFAULT else model)
    if while_busy is not None:
        options = replace(options, while_busy=mode)
    await lease.release(replace(lease.head, options=options))
    return options


async def read_options(engine: Engine, key: SessionKey) -> SessionOptions:
    """The options of the key's session; `NotFound` when it has none."""
    stores = engine.stores(key.tenant)
    return (await find_head(engine, stores, await find_session(engine, stores, key))).options


async def _session(engine: Engine, stores: TenantStores, key: SessionKey) -> SessionId:
    """The key's session, a fresh one where there is none or its time is over."""
    try:
        session_id = await find_session(engine, stores, key)
        await find_head(engine, stores, session_id)
    except NotFound:
        return await start_anew(engine, stores, key, engine.policy.profile)
    return session_id
