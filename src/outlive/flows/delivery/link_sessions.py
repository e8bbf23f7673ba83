"""One person on several channels: a code from one, redeemed on another, brings both keys to one session."""

from __future__ import annotations

from dataclasses import dataclass

from outlive.core.keys import SessionId, SessionKey, mapping_key
from outlive.core.links import (
    CODE_SECONDS,
    TRIES,
    WINDOW_SECONDS,
    WRONG_PER_KEY,
    WRONG_PER_TENANT,
    LinkCode,
    code_from,
    decode_code,
    decode_wrong,
    encode,
    is_locked,
    link_key,
    tidy_code,
    wrong_once_more,
)
from outlive.errors import AlreadyExists, Conflict, Invalid, NotFound, Refused
from outlive.flows.change_record import change_record
from outlive.flows.delivery.audit import AuditEntry, note_deed
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.flows.sessions.scan_mappings import pointers_to
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_session import find_head, find_session, point_key, start_anew
from outlive.protocols import Absent, At, Free

GUESSES = 5


@dataclass(frozen=True, slots=True)
class Link:
    """A key that points at a session."""

    session_key: str
    session_id: SessionId


async def create_link(engine: Engine, key: SessionKey, *, by: str = "") -> tuple[str, float]:
    """A new code for the session behind the key, and until when it counts; a key without a session gets one.

    The code is told to nobody else and is not stored, only its digest.
    """
    stores = engine.stores(key.tenant)
    try:
        session_id = await find_session(engine, stores, key)
    except NotFound:
        session_id = await start_anew(engine, stores, key, engine.policy.profile)
    until = engine.clock.now() + CODE_SECONDS
    body = encode(LinkCode(session_id, str(key), until))
    for _ in range(GUESSES):
        code = code_from(engine.new_id())
        name = link_key(stores.tenant, code)
        try:
            await stores.table.write(name, body, expected=Absent(), lease=Free(), expires_at=until)
        except AlreadyExists:
            continue
        await _note(engine, stores, "link.created", key, session_id, by)
        return code, until
    raise Conflict("no free link code was found.", fix="Try again.")


async def redeem_link(engine: Engine, key: SessionKey, text: str, *, by: str = "") -> SessionId:
    """Point the key at the code's session. The session it had stays, and can be found by its id.

    `Refused` after too many wrong codes, `NotFound` for one that is wrong, over or used. A code counts once.
    """
    stores, code = engine.stores(key.tenant), tidy_code(text)
    await _check_tries(engine, stores, key)
    found = await _take(engine, stores, code)
    if found is None:
        await _count_wrong(engine, stores, key)
        fix = "Ask for a new one with /link, in a chat of the same tenant."
        raise NotFound("this link code is wrong, over or used.", fix=fix)
    if found.session_key == str(key):
        raise Invalid("this link code is for another channel or chat.", fix="Redeem it there; ask for a new one.")
    await find_head(engine, stores, found.session_id)
    row = await stores.table.read(mapping_key(key))
    await point_key(engine, stores, key, found.session_id, row)
    await _note(engine, stores, "link.redeemed", key, found.session_id, by, with_key=found.session_key)
    return found.session_id


async def remove_link(engine: Engine, key: SessionKey, *, by: str = "") -> SessionId:
    """Point a linked key at a session of its own again, a fresh one; `Invalid` when it shares its session with none."""
    stores = engine.stores(key.tenant)
    session_id = await find_session(engine, stores, key)
    if len(await pointers_to(engine, stores, session_id)) < 2:
        raise Invalid(f"session key {key} is not linked.", fix="See `outlive link list`.")
    fresh = await start_anew(engine, stores, key, engine.policy.profile)
    await _note(engine, stores, "link.removed", key, session_id, by, now=fresh)
    return fresh


async def list_links(engine: Engine, key: SessionKey) -> list[Link]:
    """Every key that points at the session behind this one, itself included; `NotFound` when it has none."""
    stores = engine.stores(key.tenant)
    session_id = await find_session(engine, stores, key)
    pointers = await pointers_to(engine, stores, session_id)
    return [Link(each.mapping.session_key, session_id) for each in pointers]


async def _take(engine: Engine, stores: TenantStores, code: str) -> LinkCode | None:
    """The code, removed: of two who redeem it at once one gets it."""
    name = link_key(stores.tenant, code)
    row = await retrying(lambda: stores.table.read(name), engine.clock)
    if row is None:
        return None
    try:
        await stores.table.delete(name, expected=At(row.version, row.fence))
    except Conflict:
        return None
    found = decode_code(row.body, name)
    return found if found.until > engine.clock.now() else None


def _counters(key: SessionKey) -> tuple[tuple[str, int], tuple[str, int]]:
    own = TRIES + mapping_key(key).removeprefix("key/")
    return (own, WRONG_PER_KEY), (f"{TRIES}all", WRONG_PER_TENANT)


async def _check_tries(engine: Engine, stores: TenantStores, key: SessionKey) -> None:
    for name, limit in _counters(key):
        row = await retrying(lambda name=name: stores.table.read(name), engine.clock)  # type: ignore[misc]
        if row is not None and is_locked(decode_wrong(row.body, name), engine.clock.now(), limit):
            raise Refused("too many wrong link codes.", fix=f"Wait {WINDOW_SECONDS / 60:.0f} minutes.")


async def _count_wrong(engine: Engine, stores: TenantStores, key: SessionKey) -> None:
    now = engine.clock.now()
    for name, _ in _counters(key):

        def once_more(body: bytes | None, name: str = name) -> tuple[bytes, None]:
            return encode(wrong_once_more(decode_wrong(body, name) if body else None, now)), None

        await change_record(stores.table, name, engine.clock, once_more)


async def _note(
    engine: Engine, stores: TenantStores, what: str, key: SessionKey, session_id: SessionId, by: str, **details: str
) -> None:
    entry = AuditEntry(engine.clock.now(), what, str(key), session_id, by or engine.worker, details)
    await note_deed(engine, stores, entry)
