"""Pairing: an unknown sender gets a code, and whoever runs the bot lets them in with it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from outlive.core.keys import quote_part
from outlive.core.senders import pairing_key
from outlive.errors import Conflict, Corrupt, NotFound
from outlive.flows.engine import Engine
from outlive.flows.list_all import scan_all
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Absent, At, Keep, Row

CODE_SECONDS = 3600.0
MAX_WAITING = 50
"""Open codes of a channel; more strangers than that get no answer."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """What is known of a sender who was not known."""

    sender: str
    name: str
    """As the sender calls themselves: to recognise them by, never an identity."""
    code: str
    asked_at: float
    paired_at: float | None = None
    """None while nobody has let them in."""
    is_owner: bool = False


async def find_pairing(engine: Engine, stores: TenantStores, channel: str, sender: str) -> Pairing | None:
    """The sender's pairing, if they were let in."""
    row = await retrying(lambda: stores.table.read(pairing_key(channel, sender)), engine.clock)
    pairing = _decode(row) if row else None
    return pairing if pairing and pairing.paired_at is not None else None


async def ask_pairing(engine: Engine, stores: TenantStores, channel: str, sender: str, name: str) -> Pairing | None:
    """A code for the sender, the same for an hour; None when too many strangers wait already."""
    key, now = pairing_key(channel, sender), engine.clock.now()
    row = await retrying(lambda: stores.table.read(key), engine.clock)
    known = _decode(row) if row else None
    if known is not None and (known.paired_at is not None or known.asked_at + CODE_SECONDS > now):
        return known
    if len(await waiting_pairings(engine, stores, channel)) >= MAX_WAITING:
        return None
    pairing = Pairing(sender, name, engine.new_id()[:8].upper(), now)
    await _write(stores, channel, pairing, row)
    return pairing


async def waiting_pairings(engine: Engine, stores: TenantStores, channel: str) -> list[Pairing]:
    """Who has a code that still counts."""
    now = engine.clock.now()
    found = [_decode(row) for row in await scan_all(stores.table, f"pair/{quote_part(channel)}/", engine.clock)]
    return [each for each in found if each.paired_at is None and each.asked_at + CODE_SECONDS > now]


async def approve_pairing(
    engine: Engine, stores: TenantStores, channel: str, code: str, *, is_owner: bool = False
) -> Pairing:
    """Let the sender with this code in; `NotFound` when nobody has it, or its hour is over."""
    wanted = code.strip().upper()
    asked = next((each for each in await waiting_pairings(engine, stores, channel) if each.code == wanted), None)
    if asked is None:
        raise NotFound(
            f"nobody waits with code {code!r}.", fix="Codes count for an hour; a new message gets a new one."
        )
    row = await retrying(lambda: stores.table.read(pairing_key(channel, asked.sender)), engine.clock)
    if row is None or _decode(row) != asked:
        raise Conflict(f"code {code!r} was used just now.", fix="Nothing more is to be done.")
    paired = replace(asked, paired_at=engine.clock.now(), is_owner=is_owner)
    await _write(stores, channel, paired, row)
    return paired


async def end_pairing(engine: Engine, stores: TenantStores, channel: str, sender: str) -> None:
    """Let the sender in no more; `NotFound` when they were not."""
    row = await retrying(lambda: stores.table.read(pairing_key(channel, sender)), engine.clock)
    if row is None:
        raise NotFound(f"sender {sender!r} is not paired.", fix="Look at the id again; /whoami shows it.")
    await stores.table.delete(row.key, expected=At(row.version, row.fence))


async def _write(stores: TenantStores, channel: str, pairing: Pairing, row: Row | None) -> None:
    expected = At(row.version, row.fence) if row else Absent()
    body = json.dumps(asdict(pairing)).encode()
    await stores.table.write(
        pairing_key(channel, pairing.sender), body, expected=expected, lease=Keep(), expires_at=None
    )


def _decode(row: Row) -> Pairing:
    try:
        return Pairing(**json.loads(row.body))
    except (ValueError, TypeError) as error:
        raise Corrupt(f"record {row.key} is no pairing.", fix="Remove it and pair anew.") from error
