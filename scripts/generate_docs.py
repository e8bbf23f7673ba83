"""Writes the parts of the docs that a program can know between their markers; `--check` only compares."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # run as a file, its own folder is on the path instead of the project's

from scripts.docs.api import api  # noqa: E402
from scripts.docs.cli import cli  # noqa: E402
from scripts.docs.compaction import compaction  # noqa: E402
from scripts.docs.cost import cost, cost_by_turns  # noqa: E402
from scripts.docs.decisions import decisions  # noqa: E402
from scripts.docs.errors import errors  # noqa: E402
from scripts.docs.metrics import events, metrics  # noqa: E402
from scripts.docs.module_map import module_map  # noqa: E402
from scripts.docs.pages import Block, BrokenPage, blocks_of, content_of, pages, replaced  # noqa: E402
from scripts.docs.promises import promises  # noqa: E402
from scripts.docs.settings import settings  # noqa: E402

FIX = "Run: make docs"

Generator = Callable[[Path, Path], str | None]
"""Makes a block's text from the project's root and the page it stands in; None leaves the block as it is."""

GENERATORS: Mapping[str, Generator] = {
    "api": api,
    "cli": cli,
    "compaction": compaction,
    "cost": cost,
    "cost-by-turns": cost_by_turns,
    "decisions": decisions,
    "errors": errors,
    "events": events,
    "metrics": metrics,
    "module-map": module_map,
    "promises": promises,
    "settings": settings,
}


@dataclass(frozen=True, slots=True)
class Stale:
    """A block that is not what its generator says."""

    page: Path
    block: str


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Exit code: 0 when every block is current (or was written), 1 with each stale block named, 1 for a broken page."""
    parser = argparse.ArgumentParser(prog="generate_docs.py", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a block is stale")
    check = parser.parse_args(arguments).check
    try:
        stale = [found for page in pages(root) for found in update(page, root, write=not check)]
    except ValueError as error:
        print(f"generate_docs: {error}", file=sys.stderr)
        return 1
    for found in stale:
        verb = "is stale" if check else "written"
        print(f"{found.page.relative_to(root)}: block {found.block} {verb}", file=sys.stderr)
    if check and stale:
        print(FIX, file=sys.stderr)
    return int(check and bool(stale))


def update(page: Path, root: Path, *, write: bool) -> list[Stale]:
    """The blocks of a page that differ from what their generators say; written anew where asked to."""
    text = page.read_text()
    stale: list[Stale] = []
    for block in reversed(_blocks(page, text)):  # from the end, so that earlier line numbers stay true
        content = GENERATORS[block.name](root, page)
        wanted = f"\n{content}\n"  # empty lines, so that Markdown ends the comments before it begins a table
        if content is not None and wanted != content_of(text, block):
            text = replaced(text, block, wanted)
            stale.insert(0, Stale(page, block.name))
    if stale and write:
        page.write_text(text)
    return stale


def _blocks(page: Path, text: str) -> list[Block]:
    try:
        blocks = blocks_of(text)
    except BrokenPage as error:
        raise BrokenPage(f"{page}: {error}") from error
    for block in blocks:
        if block.name not in GENERATORS:
            raise BrokenPage(f"{page}: no generator is called {block.name!r}; use one of {', '.join(GENERATORS)}.")
    return blocks


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
