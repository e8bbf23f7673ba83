"""What is PostgreSQL's own: the URL, the schema, several processes, and a server that goes away."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg import AsyncConnection

from outlive.errors import Invalid, SchemaTooNew, Unavailable, VersionConflict
from outlive.postgres.database import SCHEMA, Database
from outlive.postgres.table import PostgresTable
from outlive.protocols import Absent, At, Keep
from tests.servers import PostgresPlace


@pytest.fixture
def place(tmp_path: Path) -> PostgresPlace:
    """A schema and a role of this test's own."""
    return PostgresPlace(tmp_path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://root@localhost/x", "not supported"),
        ("postgresql://me@localhost/x?schema=No-Such", "schema 'No-Such' is not valid"),
    ],
)
async def test_a_url_that_cannot_be_used_is_named(url: str, said: str) -> None:
    """Another vendor's URL and a schema's name that is none are refused before anything is tried."""
    with pytest.raises(Invalid, match=said):
        await Database.open(url)


async def test_a_password_is_never_shown(place: PostgresPlace) -> None:
    """A server that is not there is named without the password of its URL."""
    with pytest.raises(Unavailable) as caught:
        await Database.open("postgresql://me:hunter2@127.0.0.1:1/x", wait_seconds=0.5)
    assert "127.0.0.1:1/x" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_an_unknown_database_is_a_wrong_setting(place: PostgresPlace) -> None:
    """A database that does not exist is the URL's fault, not an outage."""
    with pytest.raises(Invalid, match="nothing_here"):
        await Database.open(place.url.replace("/postgres?", "/nothing_here?"), wait_seconds=0.5)


async def test_two_that_open_an_empty_database_at_once_make_one_schema(place: PostgresPlace) -> None:
    """Eight handles opened together on an empty database all work, and see each other's records."""
    tables = await asyncio.gather(*(PostgresTable.open(place.url) for _ in range(8)))
    await tables[0].write("k", b"v", expected=Absent(), lease=Keep(), expires_at=None)
    assert [row.body for table in tables if (row := await table.read("k"))] == [b"v"] * 8
    await asyncio.gather(*(table.close() for table in tables))


async def test_a_database_is_opened_over_one_connection(place: PostgresPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection that the schema was checked on is the one that the first statements run on."""
    await (await Database.open(place.url)).close()
    made, connect = list[str](), AsyncConnection.connect
    monkeypatch.setattr(
        AsyncConnection, "connect", lambda *given, **more: made.append("one") or connect(*given, **more)
    )
    database = await Database.open(place.url)
    assert await database.rows("SELECT version FROM schema_version", {}) == [(SCHEMA,)]
    await database.close()
    assert made == ["one"]


async def test_a_newer_schema_is_refused(place: PostgresPlace) -> None:
    """A database that a newer outlive has migrated is not touched."""
    database = await Database.open(place.url)
    await database.rows("UPDATE schema_version SET version = 99 RETURNING version", {})
    await database.close()
    with pytest.raises(SchemaTooNew, match="99"):
        await Database.open(place.url)


@pytest.mark.promise("P7")
async def test_an_outage_is_an_error_and_ends(place: PostgresPlace) -> None:
    """While the server refuses, reading is an error and not an absence; afterwards the record is there again."""
    table = await PostgresTable.open(place.url, wait_seconds=0.5)
    await table.write("k", b"v", expected=Absent(), lease=Keep(), expires_at=None)
    place.lock_out()
    with pytest.raises(Unavailable):
        await table.read("k")
    place.let_in()
    row = await _patient(table)
    assert row == b"v"
    await table.close()


async def _patient(table: PostgresTable) -> bytes:
    for _ in range(50):
        try:
            row = await table.read("k")
        except Unavailable:
            await asyncio.sleep(0.1)
            continue
        assert row is not None
        return row.body
    raise AssertionError("the table never came back")


@pytest.mark.promise("P4")
async def test_32_writers_lose_no_update(place: PostgresPlace) -> None:
    """32 writers that add to one record by compare-and-set, over two handles, end at 32."""
    tables = [await PostgresTable.open(place.url) for _ in range(2)]
    await tables[0].write("n", b"0", expected=Absent(), lease=Keep(), expires_at=None)
    await asyncio.gather(*(_add(tables[n % 2]) for n in range(32)))
    row = await tables[0].read("n")
    assert row is not None
    assert (row.body, row.version) == (b"32", 33)
    await asyncio.gather(*(table.close() for table in tables))


async def _add(table: PostgresTable) -> None:
    while True:
        row = await table.read("n")
        assert row is not None
        body = str(int(row.body) + 1).encode()
        try:
            await table.write("n", body, expected=At(row.version, row.fence), lease=Keep(), expires_at=None)
        except VersionConflict:
            continue
        return


@pytest.mark.cli
def test_the_command_line_works_on_a_server(place: PostgresPlace, tmp_path: Path) -> None:
    """A message queued in PostgreSQL is answered by a worker that shares only the server and the object folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OUTLIVE_", "ANTHROPIC_"))}
    env = kept | {
        "OUTLIVE_DATA": str(tmp_path / "data"),
        "OUTLIVE_TABLE": place.url,
        "OUTLIVE_QUEUE": place.url,
        "OUTLIVE_MODEL": "scripted",
        "OUTLIVE_ISOLATION": "none",  # another user could not enter a test's folder
        "OUTLIVE_WORKSPACES": str(tmp_path / "host"),
    }

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "outlive", *words]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60).stdout

    run("send", "ada", "hello")
    run("worker", "--turns", "1", "--json")
    shown = json.loads(run("sessions", "show", "ada", "--json"))
    assert shown["session"]["line"]["turns"] == 1
    assert not (tmp_path / "data" / "outlive.db").exists()
