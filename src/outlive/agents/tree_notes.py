"""The note beside a tree that says what it holds: it counts until the tree is touched, or the machine goes down."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def read_note(path: Path) -> bytes | None:
    """The note, if there is one of this boot."""
    with suppress(FileNotFoundError):
        boot, _, note = path.read_bytes().partition(b"\n")
        return note if boot == boot_id() else None
    return None


def remove_note(path: Path) -> None:
    """The tree is about to be touched: nothing says any longer what it holds."""
    with suppress(FileNotFoundError):
        path.unlink()
        if not boot_id():
            _sync_folder(path.parent)


def write_note(path: Path, note: bytes) -> None:
    """Complete before it counts. It need not survive the machine going down: the tree's files may not, either.

    The name of the boot in it says so; where the system has no such name, everything is made durable instead.
    """
    boot = boot_id()
    fresh = path.with_suffix(".fresh")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(boot + b"\n" + note)
    if not boot:
        os.sync()
    fresh.replace(path)
    if not boot:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@cache
def boot_id() -> bytes:
    """Names the time since the machine was started (Linux); empty where the system has no such name."""
    try:
        return _BOOT_ID.read_bytes().strip()
    except OSError:
        return b""
