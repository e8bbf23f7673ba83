"""The list of decision records, by title and status."""

from __future__ import annotations

import os
import re
from pathlib import Path

SECTIONS = ["Context", "Decision", "Consequences"]
STATUS = re.compile(r"^(?:Status: *|## Status\s+)(\w+)", re.MULTILINE)
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
SECTION = re.compile(r"^## (.+?)\s*$", re.MULTILINE)


def records(root: Path) -> list[Path]:
    """Every decision record, in order of name."""
    return sorted(path for path in (root / "docs" / "decisions").glob("*.md") if path.name != "README.md")


def decisions(root: Path, page: Path) -> str:
    """One row per record: what was decided, and whether it stands."""
    rows = ["| decision | status |", "|---|---|"]
    for path in records(root):
        link = Path(os.path.relpath(path, page.parent)).as_posix()
        rows.append(f"| [{title_of(path)}]({link}) | {status_of(path)} |")
    return "\n".join(rows)


def title_of(path: Path) -> str:
    """The record's first heading; its file name when it has none."""
    found = TITLE.search(path.read_text())
    return found[1].strip() if found else path.stem


def status_of(path: Path) -> str:
    """The first word of its status, a line or a section, in lower case; empty without one."""
    found = STATUS.search(path.read_text())
    return found[1].lower() if found else ""


def sections_of(path: Path) -> list[str]:
    """Its second-level headings, in order, without that of the status."""
    return [name for name in SECTION.findall(path.read_text()) if name != "Status"]
