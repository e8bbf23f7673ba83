"""A tar archive in the making: written beside its place, and there only when it is whole."""

from __future__ import annotations

import asyncio
import errno
import os
import tarfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from tempfile import mkstemp

import zstandard

from outlive.core.packs import Part
from outlive.errors import AlreadyExists, Invalid, Unavailable

PLAIN = ".tar"
COMPRESSED = ".tar.zst"
LEVEL = 3


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive."""

    name: str
    kind: bytes = tarfile.REGTYPE
    mode: int = 0o600
    parts: Sequence[Part] = ()
    target: str = ""


class Archive:
    """Where members are added, one after the other."""

    def __init__(self, tar: tarfile.TarFile, at: float) -> None:
        """`at` is every member's time, epoch seconds."""
        self._tar = tar
        self._at = int(at)

    async def add(self, member: Member) -> None:
        """Write one member."""
        await asyncio.to_thread(self._add, member)

    def _add(self, member: Member) -> None:
        info = tarfile.TarInfo(member.name)
        info.type, info.mode, info.mtime, info.linkname = member.kind, member.mode, self._at, member.target
        info.size = sum(map(len, member.parts))
        self._tar.addfile(info, _PartsReader(member.parts))  # type: ignore[arg-type]


class _PartsReader:
    """Parts as a file to read from, so that they need not be joined."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = [memoryview(part) for part in parts]

    def read(self, size: int) -> bytes:
        taken: list[memoryview] = []
        while size and self._parts:
            part = self._parts[0][:size]
            taken.append(part)
            size -= len(part)
            self._parts[0] = self._parts[0][len(part) :]
            if not self._parts[0]:
                self._parts.pop(0)
        return b"".join(taken)


@asynccontextmanager
async def new_archive(path: Path, *, at: float, overwrite: bool) -> AsyncIterator[Archive]:
    """An archive at `path` once the block has ended well, and nothing otherwise.

    `Invalid` for a name that does not end in `.tar` or `.tar.zst`, or a folder that cannot be written;
    `AlreadyExists` when something is there, unless it may be overwritten; `Unavailable` when the disk fails.
    """
    _check_name(path)
    if not overwrite and await asyncio.to_thread(path.exists):
        raise _exists(path)
    with _translated(path):
        handle, draft = await asyncio.to_thread(mkstemp, dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                with _tar(path, file) as tar:
                    yield Archive(tar, at)
                await asyncio.to_thread(_sync, file)
            await asyncio.to_thread(_publish, Path(draft), path, overwrite=overwrite)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(draft)


@contextmanager
def _tar(path: Path, file: BufferedWriter) -> Iterator[tarfile.TarFile]:
    if path.name.endswith(PLAIN):
        with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            yield tar
        return
    compressor = zstandard.ZstdCompressor(level=LEVEL)
    with (
        compressor.stream_writer(file, closefd=False) as writer,
        tarfile.open(fileobj=writer, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        yield tar


def _sync(file: BufferedWriter) -> None:
    file.flush()
    os.fsync(file.fileno())


def _publish(draft: Path, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        draft.replace(path)
    else:
        os.link(draft, path)


def _check_name(path: Path) -> None:
    if not path.name.endswith((PLAIN, COMPRESSED)):
        raise Invalid(f"{path} is no name for an archive.", fix=f"Let it end in {PLAIN} or {COMPRESSED}.")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise Unavailable(f"{path} cannot be written ({error.strerror}).", original=error) from error
        raise Invalid(f"{path} cannot be written ({error.strerror}).", fix="Choose another folder.") from error


def _exists(path: Path) -> AlreadyExists:
    return AlreadyExists(f"{path} exists already.", fix="Choose another name, or allow overwriting.")
