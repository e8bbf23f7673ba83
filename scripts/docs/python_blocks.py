"""Runs the Python blocks of the pages, each in a process and a folder of its own, without any key."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.docs.pages import fences_of

NOT_RUN = re.compile(r"\s*<!-- not run: \S.* -->\s*")
SECONDS = 100
"""What one block may take."""
RUNNER = Path(__file__).resolve().parents[1] / "run_block.py"


@dataclass(frozen=True, slots=True)
class PythonBlock:
    """A block that is to be run."""

    page: str
    line: int
    """Where its code starts in the page."""
    code: str


def python_blocks(page: Path) -> Iterator[PythonBlock]:
    """The Python blocks of a page, but for those whose line above is `<!-- not run: reason -->`."""
    for fence in fences_of(page.read_text()):
        if fence.language == "python" and not NOT_RUN.fullmatch(fence.above):
            yield PythonBlock(page.name, fence.line, fence.code)


def run_block(block: PythonBlock, folder: Path) -> str:
    """What a block printed on stderr when it failed, nothing when it did not.

    A new folder below `folder` is its working directory, its home and where its temporary files go.
    """
    place = tempfile.mkdtemp(dir=folder)
    environment = {"PATH": os.environ["PATH"], "HOME": place, "TMPDIR": place, "LANG": "C.UTF-8"}
    environment["OUTLIVE_ISOLATION"] = "none"  # the folder is ours alone, so other users' agents could not work in it
    done = subprocess.run(
        [sys.executable, "-P", str(RUNNER), block.page, str(block.line)],
        input=block.code,
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    return (done.stderr or f"exit {done.returncode}") if done.returncode else ""
