"""What a SQLite file does that no suite asks of every backend: how it is opened, and what its errors mean."""

# ruff: noqa: ASYNC240 - a test may block its own event loop for a look at a small file
from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from outlive.errors import Corrupt, Invalid, SchemaTooNew, Unavailable
from outlive.protocols import Absent, Keep, Message, Row
from outlive.sqlite import database as module
from outlive.sqlite import sql
from outlive.sqlite.database import SCHEMA, Database
from outlive.sqlite.queue import SqliteQueue
from outlive.sqlite.table import SqliteTable
from outlive.testing.clock import ManualClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "outlive.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    database = await Database.open(path, busy_timeout=0.05)
    yield database
    await database.close()


async def put(table: SqliteTable, key: str, body: bytes = b"") -> Row:
    return await table.write(key, body, expected=Absent(), lease=Keep(), expires_at=None)


def execute(path: Path, *statements: str) -> None:
    """Another program's hands on the file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


async def pragma(database: Database, name: str) -> object:
    return (await database.read(lambda connection: connection.execute(f"PRAGMA {name}").fetchone()))[0]


@contextmanager
def unprivileged() -> Iterator[None]:
    """Permission bits do not bind root, so root tests them as somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that users without privileges can reach."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


@pytest.mark.promise("P1")
async def test_every_commit_is_flushed_to_disk(database: Database) -> None:
    """The file keeps a write-ahead log and flushes it at each commit."""
    assert await pragma(database, "journal_mode") == "wal"
    assert await pragma(database, "synchronous") == 2
    assert await pragma(database, "fullfsync") == 1


async def test_nobody_else_can_read_the_files(database: Database, path: Path) -> None:
    """Database, log and shared memory are readable by their owner only, and so is the folder made for them."""
    await put(SqliteTable(database), "k")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"outlive.db": 0o600, "outlive.db-wal": 0o600, "outlive.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_table_and_queue_share_one_file(database: Database, path: Path) -> None:
    """A table and a queue work in one database, and closing either leaves it open for the other."""
    table, queue = SqliteTable(database), SqliteQueue(database, clock=ManualClock())
    await put(table, "k")
    await queue.send(Message("g", "1", b""))
    await table.close()
    assert (await queue.depth()).waiting == 1
    assert [file.name for file in path.parent.glob("*.db")] == ["outlive.db"]


async def test_a_closed_database_is_unavailable(database: Database) -> None:
    """After `close` each call says that the file was closed, instead of hanging or failing otherwise."""
    table = SqliteTable(database)
    await database.close()
    with pytest.raises(Unavailable, match="closed"):
        await table.read("k")


async def test_a_cancelled_write_is_there_whole_or_not_at_all(database: Database) -> None:
    """A write whose caller is cancelled lands or does not, as with a lost reply, and the database goes on working."""
    table = SqliteTable(database)
    writing = asyncio.create_task(put(table, "k", b"whole"))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert (await put(table, "other")).version == 1
    row = await table.read("k")
    assert row is None or row.body == b"whole"


async def test_work_that_fails_is_undone(database: Database) -> None:
    """What a unit of work wrote before it raised is not in the file."""

    def work(connection: sqlite3.Connection) -> None:
        connection.execute(sql.CREATE_RECORD, {"key": "k", "fence": 0, "owner": None, "until": 0, **REST})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(work)
    assert await SqliteTable(database).read("k") is None


REST = {"expires_at": None, "body": b""}


async def test_an_unwritable_folder_is_invalid(reachable: Path) -> None:
    """Opening a file in a folder that cannot be written is `Invalid`, with the path and what to do."""
    reachable.chmod(0o555)
    with unprivileged(), pytest.raises(Invalid, match=r"Permission denied.*Choose a folder") as caught:
        await Database.open(reachable / "outlive.db")
    assert str(reachable / "outlive.db") in str(caught.value)


@pytest.mark.parametrize("folder", [0o555, 0o777])
async def test_a_read_only_file_is_invalid(reachable: Path, folder: int) -> None:
    """Opening an existing file that may only be read is `Invalid` and no later surprise, whatever its folder allows."""
    await (await Database.open(reachable / "outlive.db")).close()
    (reachable / "outlive.db").chmod(0o444)
    reachable.chmod(folder)
    with unprivileged(), pytest.raises(Invalid, match=r"outlive.db cannot be opened for writing.*Choose a folder"):
        await Database.open(reachable / "outlive.db")


async def test_a_path_that_can_be_no_file_is_invalid(tmp_path: Path) -> None:
    """A folder, or a path below a file, is `Invalid` and named."""
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path, tmp_path / "file" / "outlive.db"):
        with pytest.raises(Invalid, match=re.escape(str(path))):
            await Database.open(path)


async def test_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    """A file written by a newer outlive is `SchemaTooNew`, naming file and fix, and not a byte of it changes."""
    await (await Database.open(path)).close()
    execute(path, f"PRAGMA user_version = {SCHEMA + 1}")
    before = path.read_bytes()
    with pytest.raises(SchemaTooNew, match=f"{path} has schema {SCHEMA + 1}.*Upgrade outlive"):
        await Database.open(path)
    assert path.read_bytes() == before


async def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A SQLite file that is not outlive's is `Invalid`, and not a byte of it changes."""
    path = tmp_path / "bookmarks.db"
    execute(path, "CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    with pytest.raises(Invalid, match=r"another program's database.*Choose"):
        await Database.open(path)
    assert path.read_bytes() == before


async def test_an_older_schema_is_brought_up_with_its_records(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of an earlier schema is migrated when it is opened, and keeps what is in it."""
    table = await SqliteTable.open(path)
    row = await put(table, "k", b"old")
    await table.close()
    monkeypatch.setattr(sql, "MIGRATIONS", (*sql.MIGRATIONS, ("CREATE TABLE added (x)",)))
    monkeypatch.setattr(module, "SCHEMA", SCHEMA + 1)
    database = await Database.open(path)
    assert await pragma(database, "user_version") == SCHEMA + 1
    assert await SqliteTable(database).read("k") == row
    await database.close()


async def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration is done whole or not at all: after one that failed the file opens as it was."""
    await (await Database.open(path)).close()
    with monkeypatch.context() as patch:
        patch.setattr(sql, "MIGRATIONS", (*sql.MIGRATIONS, ("CREATE TABLE added (x)", "CREATE TABLE added (x)")))
        patch.setattr(module, "SCHEMA", SCHEMA + 1)
        with pytest.raises(Unavailable):
            await Database.open(path)
    database = await Database.open(path)
    assert await pragma(database, "user_version") == SCHEMA
    assert await database.read(lambda c: c.execute("PRAGMA table_info(added)").fetchall()) == []
    await database.close()


async def damaged(path: Path, how: str) -> None:
    table = await SqliteTable.open(path)
    for n in range(50):
        await put(table, f"k{n}", b"x" * 2000)
    await table.close()
    whole = path.read_bytes()
    path.write_bytes(
        {
            "no database": b"not a database at all, " * 200,
            "cut": whole[:9000],
            "flipped": whole[:200] + b"\xff" * 60_000,
        }[how]
    )


@pytest.mark.promise("P8")
@pytest.mark.parametrize("how", ["no database", "cut", "flipped"])
async def test_a_damaged_file_is_corrupt_and_named(path: Path, how: str) -> None:
    """A file that is foreign, cut or overwritten is `Corrupt` when opened or read, with its name and the fix."""
    await damaged(path, how)
    with pytest.raises(Corrupt, match=f"{path} is damaged.*Restore it from a copy"):
        await read_all(path)


async def read_all(path: Path) -> None:
    table = await SqliteTable.open(path)
    try:
        await table.scan("", limit=1000)
    finally:
        await table.close()


async def test_a_full_disk_is_unavailable_and_loses_nothing(database: Database, path: Path) -> None:
    """A write with no room left says so and how to go on; what was there stays, and the next small write works."""
    table = SqliteTable(database)
    row = await put(table, "kept", b"one")
    await database.read(lambda connection: connection.execute("PRAGMA max_page_count = 60").fetchone())
    with pytest.raises(Unavailable, match="free some space") as caught:
        await put(table, "big", b"x" * 256 * 1024)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value.original, sqlite3.OperationalError)
    assert await table.scan("") == [row]
    assert (await put(table, "small")).version == 1


async def test_a_writer_that_waits_too_long_is_told_so(database: Database, path: Path) -> None:
    """While another process writes for too long, writes are `Unavailable` and reads go on; then writes work again."""
    table = SqliteTable(database)
    await put(table, "k")
    with closing(sqlite3.connect(path, isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="Another process held it"):
            await put(table, "new")
        assert await table.read("k") is not None
    assert (await put(table, "new")).version == 1


@pytest.mark.promise("P7")
async def test_an_error_of_sqlite_is_kept_inside(database: Database, path: Path) -> None:
    """An error SQLite raises at a read is `Unavailable` with that error inside, and never an empty answer."""
    table, queue = SqliteTable(database), SqliteQueue(database, clock=ManualClock())
    execute(path, "DROP TABLE records", "DROP TABLE messages", "DROP TABLE dead_letters")
    reads = (lambda: table.read("k"), lambda: table.scan(""), lambda: queue.receive(visibility=1, wait=0), queue.depth)
    for call in (*reads, queue.dead_letters):
        with pytest.raises(Unavailable, match="no such table") as caught:
            await call()
        assert isinstance(caught.value.original, sqlite3.OperationalError)


@pytest.mark.promise("P1")
async def test_a_file_replaced_under_an_open_handle_takes_no_more_writes(database: Database, path: Path) -> None:
    """When another file is put in its place, the open database acknowledges nothing that would be lost."""
    table = SqliteTable(database)
    await put(table, "k")
    path.rename(path.with_suffix(".old"))
    await (await Database.open(path)).close()
    with pytest.raises(Unavailable, match="moved or deleted"):
        await put(table, "new")
    with pytest.raises(Unavailable, match="moved or deleted"):
        await table.read("k")


async def test_two_openers_do_not_wait_for_each_other_forever(path: Path) -> None:
    """Opening while another process is held up in its own opening ends as `Unavailable`, naming the file."""
    await (await Database.open(path)).close()
    with module._one_opener(path.parent, 1.0), pytest.raises(Unavailable, match=f"{path} is being opened"):
        await Database.open(path, busy_timeout=0.05)
    await (await Database.open(path)).close()
