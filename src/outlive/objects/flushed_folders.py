"""Which folders are known to have a durable name, so that a put need not flush the way up to them again."""

from __future__ import annotations

import os
import threading
from pathlib import Path

KEPT = 64
"""Folders remembered; each holds one file descriptor."""


class FlushedFolders:
    """Folders whose way up to the root has been flushed, the latest ones.

    A folder that is held open cannot give its inode number to another one. So as long as the name leads to the same
    inode, it has been there all the time, and so have the folders above it, since none of them was ever empty.
    """

    def __init__(self) -> None:
        self._held: dict[Path, _Held] = {}
        self._lock = threading.Lock()

    def has(self, folder: Path, handle: int) -> bool:
        """Whether the folder open in `handle` is the one that was remembered under this name."""
        with self._lock:
            held = self._held.get(folder)
            return held is not None and held.is_same(handle)

    def add(self, folder: Path, handle: int) -> None:
        """Remember the folder open in `handle`, whose way up has been flushed since it was opened under this name."""
        held = _Held(os.dup(handle))
        with self._lock:
            self._held.pop(folder, None)
            self._held[folder] = held
            while len(self._held) > KEPT:
                del self._held[next(iter(self._held))]


class _Held:
    """An open folder; closed when nobody remembers it."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def is_same(self, handle: int) -> bool:
        return os.path.samestat(os.fstat(self._handle), os.fstat(handle))

    def __del__(self) -> None:
        os.close(self._handle)
