"""Objects as files below one local folder; the reasons are in docs/decisions/local-objects-fsync.md."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from outlive.core.object_keys import is_segment
from outlive.errors import Invalid
from outlive.objects.flushed_folders import FlushedFolders
from outlive.protocols import ObjectInfo

DRAFTS = "#drafts"
"""Where a file is written before it gets its name. No key has a '#', so it is never listed."""

ABANDONED_AFTER = 3600.0
"""Seconds after which a draft belongs to a process that died while writing it."""

TRIES = 100


class FolderGone(OSError):
    """The folder is not what it was when it was opened: deleted, moved, or no longer mounted."""


class Folder:
    """Files named by their keys. Raises plain `OSError`s; `UrlObjects` says what they mean."""

    def __init__(self, root: Path) -> None:
        """Use `Folder.open`."""
        self._root = root
        self._drafts = root / DRAFTS
        self._flushed = FlushedFolders()

    @classmethod
    async def open(cls, root: Path, *, now: float) -> Folder:
        """Make the folder (0700) when it is missing, prove that it can be written, clear abandoned drafts."""
        folder = cls(root)
        await asyncio.to_thread(folder._prepare, now)
        return folder

    async def create(self, key: str, data: bytes) -> None:
        """Write the file durably under a name that nobody has; `FileExistsError` when somebody has it."""
        await asyncio.to_thread(self._create, key, data)

    async def read(self, key: str) -> bytes:
        """The file's bytes; `FileNotFoundError` when there is none."""
        return await asyncio.to_thread(self._read, key)

    async def page(self, prefix: str, after: str, limit: int) -> Sequence[ObjectInfo]:
        """What `Objects.list` returns."""
        return await asyncio.to_thread(lambda: list(islice(self._walk("", prefix, after), limit)))

    async def remove(self, keys: Sequence[str]) -> None:
        """Remove files, and folders this leaves empty, durably; missing ones are no error."""
        await asyncio.to_thread(self._remove, keys)

    async def ping(self) -> None:
        """`FolderGone` when it is."""
        await asyncio.to_thread(self._check_in_place)

    def _prepare(self, now: float) -> None:
        missing = [folder for folder in (self._drafts, *self._drafts.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=0o700, exist_ok=True)
            _sync(folder.parent)
        self._prove_writable()
        for draft in self._drafts.iterdir():
            with suppress(FileNotFoundError):
                if draft.stat().st_mtime < now - ABANDONED_AFTER:
                    draft.unlink()

    def _prove_writable(self) -> None:
        draft, name = self._draft(b"", durable=False), self._drafts / secrets.token_hex(16)
        try:
            os.link(draft, name)
            name.unlink()
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
                raise Invalid(f"{self._root} has no hard links.", fix="Choose a folder on another disk.") from error
            raise
        finally:
            draft.unlink()

    def _create(self, key: str, data: bytes) -> None:
        path = self._path(key)
        draft = self._draft(data)
        try:
            _link(draft, path, key)
        finally:
            # After a refusal too: who finds the same bytes under the name takes them for durable.
            draft.unlink(missing_ok=True)
            self._sync_from(path.parent)

    def _draft(self, data: bytes, *, durable: bool = True) -> Path:
        draft = self._drafts / secrets.token_hex(16)
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileNotFoundError as error:
            raise FolderGone(*error.args) from error
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                if durable:
                    _flush(file.fileno())
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        return draft

    def _read(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            self._check_in_place()
            raise FileNotFoundError(*error.args) from error

    def _walk(self, base: str, prefix: str, after: str) -> Iterator[ObjectInfo]:
        # A folder sorts with its slash, so the walk's order is the order of whole keys: 'a-b' < 'a/b'.
        for name, entry in sorted((_name(entry), entry) for entry in self._entries(base)):
            key = base + name
            if name.endswith("/"):
                if _may_hold(key, prefix, after):
                    yield from self._walk(key, prefix, after)
            elif key.startswith(prefix) and key > after:
                with suppress(FileNotFoundError):
                    found = entry.stat(follow_symlinks=False)
                    yield ObjectInfo(key, found.st_size, found.st_mtime)

    def _entries(self, base: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._root / base) as entries:
                kept = [e for e in entries if is_segment(e.name) and not e.is_symlink()]
        except (FileNotFoundError, NotADirectoryError):
            kept = []
        if not base:
            self._check_in_place()
        return kept

    def _remove(self, keys: Sequence[str]) -> None:
        self._check_in_place()
        left: set[Path] = set()
        for path in map(self._path, keys):
            with suppress(FileNotFoundError, NotADirectoryError):
                if path.is_dir():
                    continue
                path.unlink()
                left.add(self._prune(path.parent))
        for folder in left:
            with suppress(FileNotFoundError):
                _sync(folder)

    def _prune(self, folder: Path) -> Path:
        while folder != self._root:
            try:
                folder.rmdir()
            except OSError:
                break
            folder = folder.parent
        return folder

    def _sync_from(self, folder: Path) -> None:
        with suppress(FileNotFoundError, NotADirectoryError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                _flush(handle)
                if folder != self._root and not self._flushed.has(folder, handle):
                    self._sync_above(folder)
                    self._flushed.add(folder, handle)
            finally:
                os.close(handle)

    def _sync_above(self, folder: Path) -> None:
        # Each folder up to the root: another process may have made one of them and not have flushed it yet.
        for each in folder.parents:
            _sync(each)
            if each == self._root:
                return

    def _check_in_place(self) -> None:
        # An unmounted disk leaves an empty folder behind, in which every object would seem not to exist.
        if not self._drafts.is_dir():
            raise FolderGone(errno.ENOENT, "the folder is no longer there", str(self._root))

    def _path(self, key: str) -> Path:
        return self._root / key


def _link(draft: Path, path: Path, key: str) -> None:
    try:
        for _ in range(TRIES):
            # Another process may prune a folder between any two of these steps.
            with suppress(FileNotFoundError):
                _make_folder(path.parent)
                return os.link(draft, path)
    except (NotADirectoryError, FileExistsError) as error:
        if isinstance(error, FileExistsError) and not path.is_dir() and path.parent.is_dir():
            raise
        raise Invalid(
            f"The object key {key!r} is a folder of other keys here, or lies below one that is an object.",
            fix="In a local folder a name is either an object or a folder.",
        ) from error
    raise FolderGone(errno.ENOENT, "the folder does not keep what is put into it", str(path.parent))


def _make_folder(folder: Path) -> None:
    """`FileNotFoundError` when another process pruned it at the moment it was found to be there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        if os.path.lexists(folder):
            raise
        raise FileNotFoundError(*error.args) from error


def _may_hold(folder: str, prefix: str, after: str) -> bool:
    overlaps = folder.startswith(prefix) or prefix.startswith(folder)
    return overlaps and (folder > after or after.startswith(folder))


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _flush(handle)
    finally:
        os.close(handle)


def _flush(handle: int) -> None:
    # macOS: fsync alone leaves the bytes in the disk's own cache.
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fsync(handle)
    else:
        fcntl.fcntl(handle, full)
