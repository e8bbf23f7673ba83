"""The private trees on this machine: one per session, held by one process, the same path on every host."""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from outlive.agents.files import empty_folder, read_file, remove_files, write_files
from outlive.agents.tree import IGNORED, TreeLimits, scan_tree
from outlive.errors import Invalid, Unavailable
from outlive.protocols import FileContent, FileStat

T = TypeVar("T")

FOLDERS = ("config", "work", "home", "tmp")
SLOTS = 64
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class DiskWorkspaces:
    """Implements `protocols.Workspaces` below one folder, by default `<temporary folder>/outlive-<uid>`."""

    def __init__(
        self,
        base: Path | None = None,
        *,
        limits: TreeLimits | None = None,
        ignored: Sequence[str] = IGNORED,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`base` must be the same absolute path on every host: the agent's own files name it."""
        self._base = base.absolute() if base else Path(tempfile.gettempdir()).resolve() / f"outlive-{os.geteuid()}"
        self._limits, self._ignored, self._now = limits or TreeLimits(), tuple(ignored), now

    async def open(self, tenant: str, session_id: str) -> DiskWorkspace:
        """See `protocols.Workspaces.open`; `Invalid` when the base folder is not ours alone."""
        root, lock = await asyncio.to_thread(self._take, tenant, session_id)
        scan = partial(scan_tree, root, limits=self._limits, ignored=self._ignored)
        return DiskWorkspace(root, lock, lambda: scan(now=self._now()))

    def _take(self, tenant: str, session_id: str) -> tuple[Path, int]:
        try:
            _private(self._base)
            name = _folder_name(tenant, session_id)
            root, lock = _free_slot(self._base, name)
            try:
                _private(root)
                make_folders(root)
            except BaseException:
                os.close(lock)
                raise
        except OSError as error:
            raise Unavailable(
                f"no tree can be made below {self._base}: {error.strerror}.",
                original=error,
                fix="Make the folder writable, or set OUTLIVE_WORKSPACES to another one.",
            ) from error
        return root, lock


def _folder_name(tenant: str, session_id: str) -> str:
    if not tenant or not session_id:
        raise Invalid("a tree needs a tenant and a session id.", fix="Pass both.")
    return blake2b(f"{len(tenant)}:{tenant}:{session_id}".encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _free_slot(base: Path, name: str) -> tuple[Path, int]:
    """The first slot nobody holds, locked: the session's own path, unless a live process is still at work there."""
    for slot in range(1, SLOTS + 1):
        folder = name if slot == 1 else f"{name}-{slot}"
        lock = os.open(base / f"{folder}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return base / folder, lock
    raise Unavailable(f"{SLOTS} processes hold trees of one session.", fix="End the ones that hang.")


def _private(folder: Path) -> None:
    """Make the folder if need be; `Invalid` unless it is a real one that nobody else can enter."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode):
        raise Invalid(f"{folder} is not a folder but a link.", fix="Remove it, or set OUTLIVE_WORKSPACES.")
    if info.st_uid != os.geteuid():
        raise Invalid(f"{folder} belongs to user {info.st_uid}.", fix="Set OUTLIVE_WORKSPACES to a folder of yours.")
    if stat.S_IMODE(info.st_mode) & 0o077:
        raise Invalid(f"{folder} is open to other users.", fix=f"Run `chmod 700 {folder}`.")


def make_folders(root: Path) -> None:
    """The folders of an empty tree."""
    for name in FOLDERS:
        (root / name).mkdir(mode=0o700, exist_ok=True)


class DiskWorkspace:
    """Implements `protocols.Workspace`."""

    def __init__(self, root: Path, lock: int, scan: Callable[[], list[FileStat]]) -> None:
        self.root = root
        self._lock: int | None = lock
        self._scan = scan
        self._note = root.with_name(root.name + ".note")
        self._running: set[asyncio.Task[Any]] = set()

    async def note(self) -> bytes | None:
        return await self._off_loop(self._read_note)

    async def mark_clean(self, note: bytes) -> None:
        await self._off_loop(lambda: _write_note(self._note, note))

    async def mark_dirty(self) -> None:
        await self._off_loop(self._remove_note)

    async def scan(self) -> Sequence[FileStat]:
        return await self._off_loop(self._scan)

    async def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        return await self._off_loop(lambda: read_file(self.root, path, offset, length))

    async def write(self, files: Sequence[FileContent]) -> None:
        await self._off_loop(lambda: write_files(self.root, files))

    async def remove(self, paths: Sequence[str]) -> None:
        await self._off_loop(lambda: remove_files(self.root, paths))

    async def wipe(self) -> None:
        await self._off_loop(self._empty)

    async def close(self) -> None:
        """Also waits for work that went on in a thread after its caller was cancelled; idempotent."""
        while self._running:
            await asyncio.wait(self._running)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _off_loop(self, work: Callable[[], T]) -> T:
        if self._lock is None:
            raise Invalid(f"the tree {self.root} has been given back.", fix="Open it again.")
        task = asyncio.create_task(asyncio.to_thread(work))
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # its caller has it, unless it was cancelled

    def _read_note(self) -> bytes | None:
        with suppress(FileNotFoundError):
            boot, _, note = self._note.read_bytes().partition(b"\n")
            return note if boot == _boot_id() else None
        return None

    def _remove_note(self) -> None:
        with suppress(FileNotFoundError):
            self._note.unlink()
            if not _boot_id():
                _sync_folder(self._note.parent)

    def _empty(self) -> None:
        self._remove_note()
        empty_folder(self.root)
        make_folders(self.root)


def _write_note(path: Path, note: bytes) -> None:
    """Complete before it counts. It need not survive the machine going down: the tree's files may not, either.

    The name of the boot in it says so; where the system has no such name, everything is made durable instead.
    """
    boot = _boot_id()
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(boot + b"\n" + note)
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


def _boot_id() -> bytes:
    """Names the time since the machine was started (Linux); empty where the system has no such name."""
    try:
        return _BOOT_ID.read_bytes().strip()
    except OSError:
        return b""
