"""Folders that other users can pass through: pytest's own are closed to them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def others_can_run(program: Path) -> bool:
    """Whether every user can reach and start a program: not one in root's home, for example."""
    return all(path.stat().st_mode & 0o001 for path in (program, *program.parents))


@contextmanager
def passable_folder() -> Iterator[Path]:
    """A temporary folder in which agents with users of their own can work."""
    folder = Path(tempfile.mkdtemp(prefix="outlive-test-")).resolve()
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
