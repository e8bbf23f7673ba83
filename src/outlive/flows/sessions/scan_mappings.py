"""Every session key of a tenant, and the session it points at."""

from __future__ import annotations

from dataclasses import dataclass

from outlive.core.keys import SessionId
from outlive.core.sessions import KeyMapping, decode_mapping
from outlive.errors import VersionConflict
from outlive.flows.engine import Engine
from outlive.flows.list_all import scan_all
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import At, Row

MAPPINGS = "key/"


@dataclass(frozen=True, slots=True)
class Pointer:
    """A mapping together with its record."""

    row: Row
    mapping: KeyMapping

    def named(self) -> set[SessionId]:
        """The session it points at, and those it has pointed at."""
        return {self.mapping.session_id, *(each.session_id for each in self.mapping.former)} - {SessionId("")}


async def scan_mappings(engine: Engine, stores: TenantStores) -> list[Pointer]:
    """All of them, expired ones included; `Corrupt` names one that cannot be read."""
    rows = await scan_all(stores.table, MAPPINGS, engine.clock)
    return [Pointer(row, decode_mapping(row.body, row.key)) for row in rows]


async def pointers_to(engine: Engine, stores: TenantStores, session_id: SessionId) -> list[Pointer]:
    """The mappings that point at this session; what names another one is not unpacked."""
    rows = await scan_all(stores.table, MAPPINGS, engine.clock)
    named = (row for row in rows if session_id.encode() in row.body)
    pointers = [Pointer(row, decode_mapping(row.body, row.key)) for row in named]
    return [each for each in pointers if each.mapping.session_id == session_id]


async def pointers_to_erase(engine: Engine, stores: TenantStores, session_id: SessionId) -> list[Pointer]:
    """The mappings that name this session: those that point at it, or have pointed at it."""
    return [each for each in await scan_mappings(engine, stores) if session_id in each.named()]


async def remove_row(engine: Engine, stores: TenantStores, row: Row) -> bool:
    """Delete a record that is still as it was read; False when it has changed or is gone."""
    try:
        await retrying(lambda: stores.table.delete(row.key, expected=At(row.version, row.fence)), engine.clock)
    except VersionConflict:
        return False
    return True
