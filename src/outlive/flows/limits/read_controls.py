"""The limits and the kill switch as this worker knows them: read from the table, and believed for a short while."""

from __future__ import annotations

import asyncio

from outlive.core.keys import CONTROL_KEY, EVERYONE_KEY
from outlive.core.quotas import Control, decode_control
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Clock, Table

EVERYONE = ""


class Controls:
    """What was read, and when; for all tenants this worker has served lately."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._known: dict[str, tuple[float, Control]] = {}

    async def read(self, table: Table, stores: TenantStores, clock: Clock, seconds: float) -> tuple[Control, Control]:
        """The tenant's control and everyone's, each at most `seconds` old.

        `Unavailable` or `Corrupt` when it cannot be known: then no turn may start, since one may be forbidden.
        """
        now = clock.now()
        self._known = {name: known for name, known in self._known.items() if 0 <= now - known[0] < seconds}
        tenant, everyone = await asyncio.gather(
            self._read(stores.tenant, stores.table, CONTROL_KEY, clock),
            self._read(EVERYONE, table, EVERYONE_KEY, clock),
        )
        return tenant, everyone

    async def _read(self, name: str, table: Table, key: str, clock: Clock) -> Control:
        known = self._known.get(name)
        if known is None:
            now = clock.now()
            known = self._known[name] = (now, await read_control(table, key, clock))
        return known[1]


async def read_control(table: Table, key: str, clock: Clock) -> Control:
    """The record as it is stored now; an empty one when there is none."""
    row = await retrying(lambda: table.read(key), clock)
    return decode_control(row.body, key) if row else Control()
