"""A tree that has only a part of some files on disk, read and measured as if they were whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from outlive.core.manifests import Window
from outlive.errors import Invalid
from outlive.protocols import FileContent, FileStat, Workspace


def windowed(workspace: Workspace, windows: Mapping[str, Window]) -> Workspace:
    """The workspace in which sizes and offsets of the windows' files are those of the whole files."""
    return WindowedWorkspace(workspace, windows) if windows else workspace


class WindowedWorkspace:
    """Implements `protocols.Workspace` around another one.

    What is appended to a file on disk is appended to the whole file, so only places have to be told apart.
    """

    def __init__(self, inner: Workspace, windows: Mapping[str, Window]) -> None:
        """`windows`: what of each file is on disk, in the order of the file."""
        self.root: Path = inner.root
        self._inner, self._windows = inner, windows

    async def note(self) -> bytes | None:
        return await self._inner.note()

    async def mark_clean(self, note: bytes) -> None:
        await self._inner.mark_clean(note)

    async def mark_dirty(self) -> None:
        await self._inner.mark_dirty()

    async def scan(self) -> Sequence[FileStat]:
        return [self._whole(stat) for stat in await self._inner.scan()]

    async def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """`Invalid` for bytes that are not on disk."""
        window = self._windows.get(path)
        if window is not None:
            offset = _on_disk(path, window, offset, length)
        return await self._inner.read(path, offset, length)

    async def write(self, files: Sequence[FileContent]) -> None:
        await self._inner.write(files)

    async def remove(self, paths: Sequence[str]) -> None:
        await self._inner.remove(paths)

    async def wipe(self) -> None:
        await self._inner.wipe()

    async def close(self) -> None:
        await self._inner.close()

    def _whole(self, stat: FileStat) -> FileStat:
        window = self._windows.get(stat.path)
        return stat if window is None else replace(stat, size=stat.size + window.skipped)


def _on_disk(path: str, window: Window, offset: int, length: int | None) -> int:
    """Where on disk the bytes are that the whole file has at `offset`."""
    if offset >= window.boundary:
        return offset - window.skipped
    before = 0
    for start, end in window.kept:
        if start <= offset and length is not None and offset + length <= end:
            return before + offset - start
        before += end - start
    raise Invalid(f"{path!r} is not on disk from byte {offset:,} on, only from {window.boundary:,}.")
