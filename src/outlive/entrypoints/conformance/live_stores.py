"""Session stores on a live deployment, in a tenant of their own that is removed in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import cycle
from uuid import uuid4

from outlive.clock import SystemClock, new_id
from outlive.core.keys import SessionId, pack_prefix
from outlive.core.store_heads import decode_store_head
from outlive.core.store_logs import row_key
from outlive.errors import NotFound
from outlive.flows.list_all import list_all, scan_all
from outlive.flows.session_store.parts import StorePolicy
from outlive.flows.session_store.store import AREA, SessionStore
from outlive.protocols import At
from outlive.settings import Settings
from outlive.stores import Stores, open_stores
from outlive.testing.concurrency import Subject
from outlive.testing.faults import Action, ErrorBefore, Pass, Plan, Step, faulty

CONNECTIONS = 3
"""Sets of connections that handles take turns on: each of the processes that the kit plays has its own cache."""


def new_tenant() -> str:
    """A tenant nobody else uses."""
    return f"conformance-{uuid4().hex[:12]}"


class LiveStores:
    """Opens session stores on what the settings name."""

    def __init__(self, opened: list[Stores], tenant: str) -> None:
        """`opened` are sets of connections to the same stores."""
        self.tenant = tenant
        self._opened = opened
        self._turns = cycle(opened)
        self._down = False

    @property
    def subject(self) -> Subject:
        """For the kit."""
        return Subject(self.open, damage=self.damage, outage=self.outage)

    async def open(self) -> SessionStore:
        """A store that knows nothing yet; a single writer, since that is what keeps a transcript from forking."""
        stores, plan = next(self._turns), Plan(self._rule)
        return SessionStore(
            table=faulty(stores.table, plan, "table"),
            objects=faulty(stores.objects, plan, "objects"),
            tenant=self.tenant,
            clock=SystemClock(),
            new_id=new_id,
            policy=StorePolicy(single_writer=True),
        )

    async def damage(self, key: Mapping[str, str]) -> None:
        """Flip one byte of the session's last pack."""
        table, objects = self._opened[0].table, self._opened[0].objects
        area = f"{self.tenant}/{AREA}/"
        row = await table.read(area + row_key(key["project_key"], key["session_id"]))
        if row is None:
            raise NotFound(f"there is no session {key['session_id']}.")
        head = decode_store_head(row.body, row.key)
        place = area + pack_prefix(SessionId(head.packs_id)) + head.packs[-1].name
        data = bytearray(await objects.get(place))
        data[len(data) // 2] ^= 1
        await objects.delete([place])
        await objects.put(place, bytes(data))

    @contextmanager
    def outage(self) -> Iterator[None]:
        """No call of any handle reaches its backend while the block runs."""
        self._down = True
        try:
            yield
        finally:
            self._down = False

    def _rule(self, _step: Step) -> Action:
        return ErrorBefore() if self._down else Pass()

    async def remove(self) -> None:
        """Everything below the tenant goes."""
        table, objects = self._opened[0].table, self._opened[0].objects
        for row in await scan_all(table, f"{self.tenant}/", SystemClock()):
            await table.delete(row.key, expected=At(row.version, row.fence))
        found = await list_all(objects, f"{self.tenant}/", SystemClock())
        await objects.delete([info.key for info in found])


@asynccontextmanager
async def live_stores(settings: Settings) -> AsyncIterator[LiveStores]:
    """The stores of the settings, with a tenant that is emptied in the end."""
    async with AsyncExitStack() as stack:
        opened = [await open_stores(settings, stack) for _ in range(CONNECTIONS)]
        live = LiveStores(opened, new_tenant())
        try:
            yield live
        finally:
            await live.remove()
