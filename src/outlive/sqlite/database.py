"""One SQLite file: opening it, running work on it off the event loop, and what its errors mean."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TypeVar

from outlive.errors import Corrupt, Invalid, OutliveError, SchemaTooNew, Unavailable
from outlive.sqlite import sql

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

SCHEMA = len(sql.MIGRATIONS)
"""The schema this outlive reads and writes (`PRAGMA user_version`)."""

_DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
_CLOSED_TO_US = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")
_CLOSED_FIX = "Choose a folder that can be written, or change its permissions."
_FIXES = {
    "SQLITE_FULL": "The disk is full: free some space.",
    "SQLITE_BUSY": "Another process held it for too long: try again.",
    "SQLITE_LOCKED": "Another process held it for too long: try again.",
    "SQLITE_READONLY": _CLOSED_FIX,
    "SQLITE_CANTOPEN": _CLOSED_FIX,
    "SQLITE_IOERR_SHMSIZE": "The disk is full: free some space.",
    "SQLITE_IOERR": "Check the disk.",
}


class Database:
    """One open SQLite file with its own thread; tables and queues share it.

    Durability level: write-ahead log with `synchronous=FULL`, so each commit is flushed to the disk before
    the call returns. A write that returned survives a crash of the process or the system and a loss of power,
    as far as the disk keeps what it has acknowledged (`fullfsync` is on, for macOS).

    Any number of processes on one machine may open the same file. A network file system will not do: SQLite's
    shared memory does not work there.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        """Use `Database.open`."""
        self.path = path
        self._connection = connection
        self._thread = thread
        self._inode = _inode(path)
        self._closed = False
        self._reader: sqlite3.Connection | None = None
        self._has_read = False

    @classmethod
    async def open(cls, path: Path | str, *, busy_timeout: float = 10.0) -> Database:
        """Open the file, and create it, its folder (0700) and its schema when they are missing.

        `busy_timeout`: seconds to wait for another process's write. `Invalid` when the place is not writable
        or belongs to another program, `Unavailable` when the disk is full; `SchemaTooNew` and `Corrupt` name
        the file.
        """
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        try:
            place, connection = await asyncio.get_running_loop().run_in_executor(thread, _open, path, busy_timeout)
            return cls(place, connection, thread)
        except BaseException:
            thread.shutdown(wait=False)
            raise

    async def read(self, work: Work[T]) -> T:
        """Run `work` on one consistent view of the file; `Unavailable` or `Corrupt` when SQLite fails."""
        return await self._run("BEGIN DEFERRED", work)

    async def read_row(self, work: Work[T]) -> T:
        """Run one statement that finds a row by its key; errors as for `read`.

        It runs on the event loop: some 20 µs, where the way to the thread and back costs three times that. A
        write-ahead log's readers wait for nobody but for its recovery; then the thread does it after all, and the first
        one, too: a second connection costs more than a process saves by it that reads once.
        """
        self._check_open()
        if not self._has_read:
            self._has_read = True
            return await self.read(work)
        try:
            self._check_in_place()
            if self._reader is None:
                self._reader = _connect_reader(self.path)
            return work(self._reader)
        except sqlite3.Error:
            return await self.read(work)

    async def write(self, work: Work[T]) -> T:
        """Run `work` as the only writer: what it did is durable when this returns, undone when it raises."""
        return await self._run("BEGIN IMMEDIATE", work)

    async def ping(self) -> None:
        """Return when the file can be read."""
        await self.read(lambda connection: connection.execute("PRAGMA user_version").fetchone())

    async def close(self) -> None:
        """Close the file and end its thread; idempotent."""
        if not self._closed:
            self._closed = True
            if self._reader is not None:
                self._reader.close()
            await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
            self._thread.shutdown(wait=False)

    async def _run(self, begin: str, work: Work[T]) -> T:
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, begin, work)

    def _transact(self, begin: str, work: Work[T]) -> T:
        try:
            self._check_in_place()
            self._connection.execute(begin)
            try:
                result = work(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                _roll_back(self._connection)
                raise
        except sqlite3.Error as error:
            raise translate(error, self.path) from error
        return result

    def _check_open(self) -> None:
        if self._closed:
            closed = sqlite3.ProgrammingError("the database was closed")
            raise Unavailable(f"{self.path} was closed.", original=closed)

    def _check_in_place(self) -> None:
        # SQLite goes on writing to a file that was moved or deleted: what it acknowledged would be lost.
        try:
            if _inode(self.path) == self._inode:
                return
            raise FileNotFoundError(f"another file is at {self.path}")
        except OSError as error:
            raise Unavailable(
                f"{self.path} was moved or deleted while it was open.",
                original=error,
                fix="Put it back, or restart to begin with an empty one.",
            ) from error


def translate(error: sqlite3.Error, path: Path, *, opening: bool = False) -> OutliveError:
    """What SQLite's error means to the caller; the only place that knows its codes."""
    name = getattr(error, "sqlite_errorname", None) or ""
    fix = next((text for code, text in _FIXES.items() if name.startswith(code)), None)
    if name.startswith(_DAMAGED):
        return Corrupt(
            f"{path} is damaged or is no SQLite database ({error}).",
            fix="Restore it from a copy, or move it away to begin with an empty one.",
        )
    if opening and name.startswith(_CLOSED_TO_US):
        return Invalid(f"{path} cannot be opened for writing ({error}).", fix=fix)
    return Unavailable(f"{path}: {error}.", original=error, fix=fix)


def _open(path: Path | str, busy_timeout: float) -> tuple[Path, sqlite3.Connection]:
    place = Path(path).absolute()
    try:
        _make_folder(place.parent)
        with _one_opener(place.parent, busy_timeout):
            _make_file(place)
            return place, _connect(place, busy_timeout)
    except sqlite3.Error as error:
        raise translate(error, place, opening=True) from error
    except TimeoutError as error:
        raise Unavailable(f"{place} is being opened by another process.", original=error) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable(f"{place}: {error.strerror}.", original=error, fix=_FIXES["SQLITE_FULL"]) from error
        raise Invalid(f"{place} cannot be opened for writing ({error.strerror}).", fix=_CLOSED_FIX) from error


@contextmanager
def _one_opener(folder: Path, timeout: float) -> Iterator[None]:
    # SQLite does not wait for the switch to the write-ahead log, and a half-prepared file looks foreign.
    handle = os.open(folder, os.O_RDONLY)
    deadline = time.monotonic() + timeout
    try:
        while not _locked(handle):
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.01)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make_file(path: Path) -> None:
    # Conversations are private: nobody else may read the file, nor those SQLite puts beside it (same mode).
    # One that exists is not touched: to close it here would drop the locks this process holds on it.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _connect(path: Path, busy_timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)
    try:
        is_current = _check_origin(connection, path) and _check_writable(path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")
        if not is_current:
            _migrate(connection)
    except BaseException:
        _roll_back(connection)
        connection.close()
        raise
    return connection


def _connect_reader(path: Path) -> sqlite3.Connection:
    """A second connection, which waits for nobody and changes nothing."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _make_folder(folder: Path) -> None:
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=0o700, exist_ok=True)
        _sync(parent.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_origin(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the schema is the one that this outlive writes."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    if application != sql.APPLICATION_ID and (tables or application or version):
        raise Invalid(f"{path} is another program's database.", fix="Choose another data folder.")
    if version > SCHEMA:
        raise SchemaTooNew(
            f"{path} has schema {version}; this outlive knows {SCHEMA}.",
            fix="Upgrade outlive, or choose another data folder.",
        )
    return bool(version == SCHEMA)


def _check_writable(path: Path) -> bool:
    """False where only a write will tell. SQLite opens and locks a read-only file without a word."""
    rights = {"effective_ids": True} if os.access in os.supports_effective_ids else {}
    return os.access(path, os.W_OK, **rights)


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for statement in chain.from_iterable(sql.MIGRATIONS[version:]):
        connection.execute(statement)
    # Written even when it is so already, where the file seems read-only: the error says what is wrong.
    connection.execute(f"PRAGMA application_id = {sql.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _inode(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
