"""The archive in PostgreSQL: rows that were changed are found, and a server that is down costs nothing but time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from outlive.core.sessions import SESSION_TTL
from outlive.errors import Corrupt, Unavailable
from outlive.flows.engine import Engine
from outlive.flows.knowledge.keep_archive import collect_turns, count_waiting, verify_audit
from outlive.flows.sessions.erase_many import erase_tenant
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.flows.tenant_stores import TenantStores
from outlive.postgres.objects import PostgresObjects
from tests.flows.conftest import TENANT, World
from tests.servers import PostgresPlace

PREFIX = f"{TENANT}/archive/audit/".encode()
SECOND = b"000000000002.json"


class Archived:
    """A tenant whose archive lies in PostgreSQL."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder / "disks")
        self.place = PostgresPlace(folder)
        self.archive = PostgresObjects(self.place.url, self.world.clock, wait_seconds=1)

    @property
    def engine(self) -> Engine:
        """A worker."""
        return replace(self.world.worker(), archive=self.archive)

    @property
    def stores(self) -> TenantStores:
        """The tenant's stores."""
        return self.engine.stores(TENANT)

    def change(self, statement: str, *values: object) -> None:
        """Behind everybody's back."""
        with psycopg.connect(self.place.url.partition("?schema")[0].partition("&schema")[0], autocommit=True) as direct:
            direct.execute(f"SET search_path TO {self.place.name}".encode())
            direct.execute(statement.encode(), values)

    async def fill(self) -> str:
        """Three turns in three segments; the session."""
        for _ in range(3):
            turn = await self.world.say("hello")
            await collect_turns(self.engine, self.stores)
        return turn.session_id


@pytest.fixture
async def archived(tmp_path: Path) -> AsyncIterator[Archived]:
    """A tenant with an archive of its own."""
    made = Archived(tmp_path)
    yield made
    await made.archive.close()


@pytest.mark.promise("P8")
async def test_a_changed_row_is_found(archived: Archived) -> None:
    """An UPDATE of a segment's row is named by verify."""
    await archived.fill()
    assert (await verify_audit(archived.engine, archived.stores)).entries == 3
    archived.change(
        "UPDATE objects SET body = set_byte(body, 50, get_byte(body, 50) # 1) WHERE key = %s", PREFIX + SECOND
    )
    with pytest.raises(Corrupt, match="segment"):
        await verify_audit(archived.engine, archived.stores)


@pytest.mark.promise("P8")
async def test_rows_out_of_order_are_found(archived: Archived) -> None:
    """Two rows that changed their keys are named by verify."""
    await archived.fill()
    for old, new in ((b"1.json", b"x.json"), (b"2.json", b"1.json"), (b"x.json", b"2.json")):
        renamed = [PREFIX + b"00000000000" + name for name in (new, old)]
        archived.change("UPDATE objects SET key = %s WHERE key = %s", *renamed)
    with pytest.raises(Corrupt, match="holds segment 2"):
        await verify_audit(archived.engine, archived.stores)


@pytest.mark.promise("P8")
async def test_a_removed_row_is_found(archived: Archived) -> None:
    """A DELETE in the middle or at the end is named by verify."""
    await archived.fill()
    archived.change("DELETE FROM objects WHERE key = %s", PREFIX + b"000000000003.json")
    with pytest.raises(Corrupt, match="ends at 2, 3 was recorded"):
        await verify_audit(archived.engine, archived.stores)


@pytest.mark.promise("P1")
async def test_turns_wait_while_the_archive_is_down(archived: Archived) -> None:
    """With the server locked out turns go on and are counted as waiting; once it is back they are all collected."""
    await archived.fill()
    archived.place.lock_out()
    await archived.world.say("meanwhile")
    with pytest.raises(Unavailable):
        await collect_turns(archived.engine, archived.stores)
    assert await count_waiting(archived.engine, archived.stores) == 1
    archived.place.let_in()
    assert (await collect_turns(archived.engine, archived.stores)).turns == 1
    assert (await verify_audit(archived.engine, archived.stores)).entries == 4


async def test_a_session_is_archived_before_it_ends(archived: Archived) -> None:
    """A sweep erases no expired session while the archive is down, and archives it before it does so."""
    session_id = await archived.fill()
    await archived.world.say("the last")
    archived.world.clock.advance(SESSION_TTL + 86400)
    archived.place.lock_out()
    swept = await sweep_tenant(archived.engine, archived.stores)
    assert (swept.expired, swept.held, bool(swept.archive_down)) == ([], [session_id], True)
    archived.place.let_in()
    swept = await sweep_tenant(archived.engine, archived.stores)
    assert (swept.expired, swept.archived) == ([session_id], 1)


@pytest.mark.promise("P10")
async def test_an_erase_reaches_the_archive(archived: Archived) -> None:
    """Erasing a session removes its conversations and keeps the log whole; erasing the tenant leaves no row."""
    session_id = await archived.fill()
    receipt = await erase_session(archived.engine, archived.stores, session_id)
    (tier,) = [tier for tier in receipt.tiers if tier.name == "archived conversations"]
    assert (tier.found, tier.left) == (3, 0)
    await verify_audit(archived.engine, archived.stores)
    assert (await erase_tenant(archived.engine, archived.stores)).complete
    assert await archived.archive.list("") == []
