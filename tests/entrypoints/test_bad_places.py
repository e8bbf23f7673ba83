"""Data folders, databases and settings that cannot be used: each a clear error with its fix, and nothing lost."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from outlive.sqlite import database as sqlite_database
from tests.entrypoints.conftest import Outlive


@contextmanager
def mounted(folder: Path, options: str, monkeypatch: pytest.MonkeyPatch, error: int) -> Iterator[None]:
    """A small disk of its own at `folder`; where nobody may mount one, every write fails as it would there."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        with monkeypatch.context() as broken:
            broken.setattr(os, "open", fail_with(error))
            yield
        return
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fail_with(error: int):
    """A call of the system that fails like this."""

    def call(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    return call


# ------------------------------------------------------------------------------------------------- folders


@pytest.mark.parametrize("place", ["file/below", "/proc/outlive"])
@pytest.mark.parametrize("words", [["sessions", "list"], ["send", "ada", "x"], ["worker"], ["chat"], ["sweep"]])
def test_a_folder_that_cannot_be_made_is_refused(outlive: Outlive, place: str, words: list[str]) -> None:
    """A data folder where none can be exits 2, names the place and says to choose another."""
    Path("file").write_text("in the way")
    error = outlive.refused(2, *words, "--data", place)
    assert place.split("/")[1] in error["message"]
    assert error["fix"].startswith("Choose a folder")


def test_a_read_only_mount_is_refused(outlive: Outlive) -> None:
    """A data folder on a disk mounted read-only exits 2 and says so."""
    with mounted(Path("disk"), "size=1m,ro", outlive.monkeypatch, errno.EROFS):
        error = outlive.refused(2, "send", "ada", "hello", "--data", "disk/data")
    assert "Read-only file system" in error["message"]
    assert error["fix"].startswith("Choose a folder")


def test_a_full_disk_loses_nothing(outlive: Outlive) -> None:
    """On a full disk a message is refused with exit 1 and told to free space; once there is some it is accepted."""
    disk = Path("disk").absolute()
    outlive.monkeypatch.setenv("OUTLIVE_DATA", str(disk / "data"))
    with mounted(disk, "size=1m", outlive.monkeypatch, errno.ENOSPC):
        fill(disk / "ballast")
        error = outlive.refused(1, "send", "ada", "x" * 100_000)
        (disk / "ballast").unlink(missing_ok=True)
    assert (error["type"], error["fix"]) == ("Unavailable", "The disk is full: free some space.")


def fill(path: Path) -> None:
    """Write 2 MiB, or until there is no room."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        for _ in range(512):
            file.write(b"\0" * 4096)


def test_a_disk_that_fills_up_keeps_what_it_has(outlive: Outlive) -> None:
    """Messages are accepted until there is no room, then refused with exit 1; none of the accepted is lost."""

    def with_little_room(path: Path, timeout: float) -> sqlite3.Connection:
        connection = connect(path, timeout)
        connection.execute("PRAGMA max_page_count = 100")
        return connection

    connect = sqlite_database._connect
    outlive.monkeypatch.setattr(sqlite_database, "_connect", with_little_room)
    codes = [outlive("send", "ada", "x" * 100_000).code for _ in range(6)]
    assert codes == sorted(codes)
    assert set(codes) == {0, 1}
    assert outlive.ok("queue", "depth")["waiting"] == codes.count(0)


def test_a_full_disk_under_the_objects_loses_no_turn(outlive: Outlive) -> None:
    """A turn that cannot be stored fails with exit 1, and its message is answered when there is room again."""
    outlive("send", "ada", "hello")
    with outlive.monkeypatch.context() as broken:
        broken.setattr("outlive.objects.folder._flush", fail_with(errno.ENOSPC))
        broken.setattr("outlive.flows.retry.PAUSES", (0.0,))
        broken.setattr("outlive.flows.work_queue.RETRY_PAUSES", (0.0,))
        broken.setattr("outlive.objects.folder.Folder._prove_writable", lambda _: None)
        done = outlive("worker", "--once", "--json")
    assert (done.code, done.error["type"], done.error["fix"]) == (
        1, "Unavailable", "The disk is full: free some space.",
    )  # fmt: skip
    assert outlive("worker", "--once", "--json").events[1]["reply"] == "Message 1: hello"


def test_a_workspace_that_others_can_enter_is_refused(outlive: Outlive) -> None:
    """A folder of trees that is open to others fails the turn with exit 2 and the command that closes it."""
    trees = outlive.folder / "trees"
    trees.mkdir()
    trees.chmod(0o755)
    outlive("send", "ada", "hello")
    assert outlive("worker", "--once", "--json").error["fix"] == f"Run `chmod 700 {trees}`."


def test_a_folder_may_have_any_name(outlive: Outlive) -> None:
    """Characters that mean something in a URL are part of the folder's name: everything lies below it."""
    outlive.monkeypatch.setenv("OUTLIVE_DATA", str(outlive.folder / "50% #1?"))
    outlive.say("hello")
    assert {path.name for path in (outlive.folder / "50% #1?").iterdir()} >= {"outlive.db", "objects"}


# ----------------------------------------------------------------------------------------------- databases


def database(outlive: Outlive) -> Path:
    """The database of a session of one turn, closed and checkpointed."""
    outlive.say("hello")
    return outlive.folder / "data" / "outlive.db"


def test_a_corrupt_database_is_named(outlive: Outlive) -> None:
    """A database that was overwritten exits 1, is named, is left as it is, and the fix is to restore it."""
    path = database(outlive)
    path.write_bytes(b"not a database at all " * 400)
    before = path.read_bytes()
    error = outlive.refused(1, "sessions", "list")
    assert (error["type"], str(path) in error["message"], path.read_bytes()) == ("Corrupt", True, before)
    assert "Restore it from a copy" in error["fix"]


def test_a_newer_schema_is_refused(outlive: Outlive) -> None:
    """A database that a newer outlive wrote exits 1, says to upgrade, and keeps its schema."""
    path = database(outlive)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    error = outlive.refused(1, "sessions", "list")
    assert (error["type"], "Upgrade outlive" in error["fix"]) == ("SchemaTooNew", True)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (99,)


def test_another_programs_database_is_refused(outlive: Outlive) -> None:
    """A database that is not ours exits 2 and is left alone."""
    (outlive.folder / "data").mkdir()
    with closing(sqlite3.connect(outlive.folder / "data" / "outlive.db")) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    assert "another program's database" in outlive.refused(2, "sessions", "list")["message"]


# ------------------------------------------------------------------------------------------------ settings


def test_an_unknown_setting_is_refused(outlive: Outlive) -> None:
    """A variable that is no setting exits 2 and the one that was probably meant is named."""
    outlive.monkeypatch.setenv("OUTLIVE_TENNANT", "acme")
    error = outlive.refused(2, "sessions", "list")
    assert error["message"] == "OUTLIVE_TENNANT is not a setting. Did you mean OUTLIVE_TENANT?"


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("OUTLIVE_LEASE_SECONDS", "soon", "setting lease_seconds is not valid"),
        ("OUTLIVE_TABLE", "mysql://db", "store URL 'mysql://db' is not supported"),
        ("OUTLIVE_TABLE", "sqlite:///a?b", "store URL 'sqlite:///a?b' is not supported"),
        ("OUTLIVE_OBJECTS", "ftp://x", "object store 'ftp://x' cannot be used"),
        ("OUTLIVE_TENANT", "a/b", "tenant 'a/b' is not valid"),
    ],
)
def test_a_setting_that_is_wrong_is_refused(outlive: Outlive, name: str, value: str, part: str) -> None:
    """A value that cannot be used exits 2, is named, and has a fix."""
    outlive.monkeypatch.setenv(name, value)
    error = outlive.refused(2, "sessions", "list")
    assert part in error["message"]
    assert error["fix"]
