"""The contract suites of table and objects, on a live deployment; collected by pytest through `run_suites`."""

from __future__ import annotations

from pathlib import Path

from outlive.core.keys import parse_tenant
from outlive.entrypoints.conformance.live_stores import new_tenant
from outlive.entrypoints.conformance.suite_settings import opened
from outlive.flows.tenant_stores import open_stores
from outlive.protocols import Objects, Row, Table
from outlive.testing.objects import ObjectsSuite
from outlive.testing.table import TableSuite


def tenant_of(place: Path) -> str:
    """The tenant of a test: its own folder's, so that its second handle finds the same records."""
    note = place / "tenant"
    if not note.exists():
        place.mkdir(parents=True, exist_ok=True)
        note.write_text(parse_tenant(new_tenant()))
    return note.read_text()


class TestLiveTable(TableSuite):
    """The table that the settings name, below a tenant of the test's own."""

    async def connect(self, place: Path) -> Table:
        stores = await opened(tenant := tenant_of(place))
        return open_stores(stores.table, stores.objects, tenant).table

    def first_fence(self, row: Row) -> int:
        return row.fence  # drawn at random, so that a key used again is never at a fence it had before

    async def sever(self, table: Table) -> None:
        """Left out by `run_suites`: nobody's deployment is switched off for a test."""


class TestLiveObjects(ObjectsSuite):
    """The objects that the settings name, below a tenant of the test's own."""

    async def connect(self, place: Path) -> Objects:
        stores = await opened(tenant := tenant_of(place))
        return open_stores(stores.table, stores.objects, tenant).objects

    async def sever(self, objects: Objects) -> None:
        """Left out by `run_suites`."""
