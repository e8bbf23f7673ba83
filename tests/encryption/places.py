"""Key rings for tests: on a table of their own, wrapped by a file."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path

from outlive.encryption.key_file import KeyFile
from outlive.encryption.key_ring import KeyRing
from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.protocols import Clock, KeyWrap
from outlive.testing.clock import ManualClock


def key_file(path: Path, *, lines: int = 1) -> Path:
    """A key file; an existing one gets a new first line."""
    old = path.read_text() if path.exists() else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(b64encode(os.urandom(32)).decode() + "\n" for _ in range(lines)) + old)
    path.chmod(0o600)
    return path


class Vault:
    """Key records that outlive any number of workers, and the file that wraps them."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.server = MemoryServer()
        self.clock = clock or ManualClock()
        self.file = key_file(folder / "master.key")

    def ring(self, *wraps: KeyWrap, seconds: float = 60.0) -> KeyRing:
        """A worker's keys; by default wrapped by the file as it is now."""
        return KeyRing(MemoryTable(self.server), wraps or [KeyFile(self.file)], self.clock, seconds=seconds)
