"""Runs the `outlive` commands of the pages' console blocks, in one process and one folder for each page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from scripts.docs.pages import fences_of
from scripts.docs.python_blocks import NOT_RUN

PAGE_NOT_RUN = re.compile(r"^<!-- console not run: \S.* -->\s*$", re.MULTILINE)
FIRST = re.compile(r"\s*<!-- first: (.+) -->\s*")
SECONDS = 100
RUNNER = Path(__file__).resolve().parents[1] / "run_console.py"


@dataclass(frozen=True, slots=True)
class ConsolePage:
    """The commands of a page that are to be run, each with the line it stands in."""

    page: str
    commands: tuple[tuple[int, str], ...]


def console_page(page: Path) -> ConsolePage | None:
    """The page's commands; None where it has none, or says why none of them can be run."""
    text = page.read_text()
    if PAGE_NOT_RUN.search(text):
        return None
    commands: list[tuple[int, str]] = []
    for fence in fences_of(text):
        if fence.language != "console" or NOT_RUN.fullmatch(fence.above):
            continue
        if first := FIRST.fullmatch(fence.above):
            commands += [(fence.line - 2, command.strip()) for command in first[1].split(";")]
        shown = enumerate(fence.code.split("\n"), start=fence.line)
        commands += [(number, line.removeprefix("$ ")) for number, line in shown if line.startswith("$ ")]
    return ConsolePage(page.name, tuple(commands)) if commands else None


def run_page(page: ConsolePage, folder: Path) -> list[str]:
    """Each command that failed, with its place and what it said; nothing when all went well."""
    place = tempfile.mkdtemp(dir=folder)
    environment = {"PATH": os.environ["PATH"], "HOME": place, "TMPDIR": place, "LANG": "C.UTF-8"}
    environment |= {"OUTLIVE_ISOLATION": "none", "OUTLIVE_MODEL": "scripted"}
    done = subprocess.run(
        [sys.executable, "-P", str(RUNNER)],
        input=json.dumps(page.commands),
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    if done.returncode not in {0, 1}:
        return [f"{page.page}: {done.stderr}"]
    return [f"{page.page}:{line}" for line in json.loads(done.stdout.splitlines()[-1])]
