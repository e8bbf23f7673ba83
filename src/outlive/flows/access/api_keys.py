"""API keys: created once and shown once, listed, revoked, and found by their text.

A key that is revoked soon after it was made leaves a record that opens nothing: its creation may have been sent twice
by a client beneath us, and must not make it count again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from outlive.core.api_keys import (
    EVERYONE,
    KEYS,
    ROLES,
    ApiKey,
    Role,
    decode_key,
    digest_of,
    encode,
    is_secret,
    key_text,
    split_key,
)
from outlive.core.erased_heads import ARRIVAL
from outlive.core.keys import Tenant, check_part, parse_tenant
from outlive.errors import Conflict, Invalid, NotFound
from outlive.flows.engine import Engine
from outlive.flows.list_all import scan_all
from outlive.flows.retry import retrying
from outlive.protocols import Absent, At, Free, Keep, Row

ID_LENGTH = 12
NOBODY = digest_of("nobody")
"""Compared with where there is no key of that id, so that the answer takes as long."""


async def create_api_key(
    engine: Engine, tenant: str, role: Role, *, name: str, by: str, seconds: float | None = None
) -> tuple[ApiKey, str]:
    """The key and its text, which is stored nowhere; `tenant` empty is for all tenants, `seconds` how long it counts.

    `Invalid` for a name, a role or a tenant that cannot be.
    """
    check_part("name", name)
    if role not in ROLES:
        raise Invalid(f"role {role!r} is not known.", fix=f"Use one of {', '.join(ROLES)}.")
    whose = parse_tenant(tenant) if tenant else EVERYONE
    now = engine.clock.now()
    await _sweep(engine, now)
    key_id, secret = engine.new_id()[-ID_LENGTH:], engine.new_id() + engine.new_id()
    until = None if seconds is None else now + seconds
    key = ApiKey(key_id, name, whose, role, digest_of(secret), now, by, until)
    await engine.table.write(KEYS + key_id, encode(key), expected=Absent(), lease=Free(), expires_at=until)
    return key, key_text(key_id, secret)


async def list_api_keys(engine: Engine, tenant: Tenant | None = None) -> list[ApiKey]:
    """All keys, or those of one tenant, by id; expired ones are still listed until they are swept."""
    rows = await scan_all(engine.table, KEYS, engine.clock)
    keys = [decode_key(row.body, row.key) for row in rows]
    return [key for key in keys if key.digest != NOBODY and (tenant is None or key.tenant == tenant)]


async def revoke_api_key(engine: Engine, key_id: str, tenant: Tenant | None = None) -> ApiKey:
    """It counts no more, nor do sign-ins made with it. `NotFound` for none of that id, or another tenant's."""
    name = KEYS + key_id
    while (row := await retrying(lambda: engine.table.read(name), engine.clock)) is not None:
        key = decode_key(row.body, name)
        if key.digest == NOBODY or (tenant is not None and key.tenant != tenant):
            break
        try:
            await _remove(engine, row, key)
        except Conflict:
            continue
        return key
    raise NotFound(f"there is no API key {key_id!r}.", fix="See `outlive tokens list`.")


async def _remove(engine: Engine, row: Row, key: ApiKey) -> None:
    at, until = At(row.version, row.fence), key.created_at + ARRIVAL
    if until <= engine.clock.now():
        await engine.table.delete(row.key, expected=at)
    else:
        body = encode(replace(key, digest=NOBODY, expires_at=0.0))
        await engine.table.write(row.key, body, expected=at, lease=Keep(), expires_at=until)


async def _sweep(engine: Engine, now: float) -> None:
    """What revoked keys have left goes when somebody makes a new one."""
    for row in await scan_all(engine.table, KEYS, engine.clock):
        is_over = row.expires_at is not None and row.expires_at <= now
        if is_over and decode_key(row.body, row.key).digest == NOBODY:
            with suppress(Conflict):
                await engine.table.delete(row.key, expected=At(row.version, row.fence))


async def find_api_key(engine: Engine, text: str) -> ApiKey | None:
    """The key of this text; None for a wrong, revoked or expired one, which takes as long to say."""
    parts = split_key(text)
    if parts is None:
        return None
    key = await key_of_id(engine, parts[0])
    is_right = is_secret(key.digest if key else NOBODY, parts[1])
    return key if is_right else None


async def key_of_id(engine: Engine, key_id: str) -> ApiKey | None:
    """The key of an id, unless it is revoked or expired."""
    name = KEYS + key_id
    row = await retrying(lambda: engine.table.read(name), engine.clock)
    key = decode_key(row.body, name) if row else None
    return key if key and (key.expires_at is None or key.expires_at > engine.clock.now()) else None
