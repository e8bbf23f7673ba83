"""Runs the Python blocks of the pages, in a process for each page and a folder for each block, without any key."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
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


def run_blocks(blocks: Sequence[PythonBlock], folder: Path) -> dict[str, str]:
    """PAGE:LINE -> what went wrong, for each block that failed; the blocks of a page share a process.

    A new folder below `folder` is the working directory of each, its home and where its temporary files go.
    """
    failed: dict[str, str] = {}
    for page, group in groupby(blocks, key=lambda block: block.page):
        failed |= {f"{page}:{line}": fault for line, fault in _run_page(list(group), folder).items()}
    return failed


def _run_page(blocks: Sequence[PythonBlock], folder: Path) -> dict[str, str]:
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    environment["OUTLIVE_ISOLATION"] = "none"  # the folder is ours alone, so other users' agents could not work in it
    done = subprocess.run(
        [sys.executable, "-P", str(RUNNER)],
        input=json.dumps([(tempfile.mkdtemp(dir=folder), block.code, block.page, block.line) for block in blocks]),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS * len(blocks),
    )
    if done.returncode not in {0, 1} or not done.stdout:
        return {"all": done.stderr or f"exit {done.returncode}"}
    return dict(json.loads(done.stdout.splitlines()[-1]))
