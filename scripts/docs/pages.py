"""Markdown pages: their generated blocks, code fences, links and anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BEGIN = re.compile(r"<!-- generated: (\S+) -->\s*")
END = re.compile(r"<!-- end generated: (\S+) -->\s*")
FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*(\w*)")
LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|^\s*\[[^\]^]+\]:\s+(\S+)", re.MULTILINE)
INLINE_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*\s*")
EXPLICIT_ANCHOR = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")
DROPPED_FROM_ANCHORS = re.compile(r"[^\w\- ]")


class BrokenPage(ValueError):
    """A page whose markers cannot be understood; the message names page, line and fix."""


@dataclass(frozen=True, slots=True)
class Block:
    """The lines between two markers."""

    name: str
    first: int
    """Index of the first line behind the opening marker."""
    last: int
    """Index of the closing marker's line."""


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced code block."""

    language: str
    line: int
    """Number of the first line of code, counted from 1."""
    code: str
    above: str
    """The line above the opening fence."""


def pages(root: Path) -> list[Path]:
    """Every page with generated blocks: the READMEs and all Markdown below docs/."""
    return [*sorted(root.glob("README*.md")), *sorted((root / "docs").rglob("*.md"))]


def all_pages(root: Path) -> list[Path]:
    """Every Markdown page of the project: those at the top and those below docs/."""
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]


# ----------------------------------------------------------------------------------------------- blocks


def blocks_of(text: str) -> list[Block]:
    """The generated blocks, in order; `BrokenPage` when a marker has no partner."""
    blocks: list[Block] = []
    opened: tuple[str, int] | None = None
    for index, line in enumerate(_without_outer_fences(text)):
        if begin := BEGIN.fullmatch(line):
            if opened:
                raise BrokenPage(f"line {index + 1}: block {opened[0]} is not closed before {begin[1]} opens.")
            opened = (begin[1], index + 1)
        elif end := END.fullmatch(line):
            if not opened or opened[0] != end[1]:
                raise BrokenPage(f"line {index + 1}: block {end[1]} is closed but not open.")
            blocks.append(Block(end[1], opened[1], index))
            opened = None
    if opened:
        raise BrokenPage(f"block {opened[0]} is not closed: add `<!-- end generated: {opened[0]} -->`.")
    return blocks


def content_of(text: str, block: Block) -> str:
    """What stands between the markers."""
    return "\n".join(text.split("\n")[block.first : block.last])


def replaced(text: str, block: Block, content: str) -> str:
    """The page with other content between the markers; all else is left as it is."""
    lines = text.split("\n")
    return "\n".join([*lines[: block.first], *content.split("\n"), *lines[block.last :]])


def _without_outer_fences(text: str) -> Iterator[str]:
    """The lines, those inside code fences emptied: a marker shown as an example is no marker."""
    fenced = {line for fence in fences_of(text) for line in range(fence.line, fence.line + fence.code.count("\n"))}
    return ("" if number in fenced else line for number, line in enumerate(text.split("\n"), start=1))


# ----------------------------------------------------------------------------------------------- fences


def fences_of(text: str) -> list[Fence]:
    """Every fenced code block; one that is never closed reaches to the end."""
    lines = text.split("\n")
    fences: list[Fence] = []
    index = 0
    while index < len(lines):
        opening = FENCE.match(lines[index])
        if not opening:
            index += 1
            continue
        end = _closing(lines, index + 1, opening[1])
        code = "".join(line + "\n" for line in lines[index + 1 : end])
        fences.append(Fence(opening[2], index + 2, code, lines[index - 1] if index else ""))
        index = end + 1
    return fences


def _closing(lines: list[str], start: int, mark: str) -> int:
    for index in range(start, len(lines)):
        line = lines[index].strip()
        if line.startswith(mark) and not line.strip(mark[0]):
            return index
    return len(lines)


# ------------------------------------------------------------------------------------- links and anchors


def links_of(text: str) -> list[str]:
    """Targets of every link in the prose; code is left out."""
    prose = INLINE_CODE.sub("", "\n".join(_without_outer_fences(text)))
    return [inline or reference for inline, reference in LINK.findall(prose)]


def anchors_of(text: str) -> set[str]:
    """The names a link can jump to, spelled as GitHub spells them."""
    anchors = set(EXPLICIT_ANCHOR.findall(text))
    seen: dict[str, int] = {}
    for line in _without_outer_fences(text):
        if heading := HEADING.fullmatch(line):
            slug = DROPPED_FROM_ANCHORS.sub("", heading[1].lower()).replace(" ", "-")
            repeats = seen.get(slug, 0)
            anchors.add(f"{slug}-{repeats}" if repeats else slug)
            seen[slug] = repeats + 1
    return anchors


def dead_links(page: Path) -> list[str]:
    """Targets in this page that lead to no file, or to no heading of it; the web is left alone."""
    return [target for target in links_of(page.read_text()) if not _leads_somewhere(page, target)]


def _leads_somewhere(page: Path, target: str) -> bool:
    if re.match(r"[a-z][a-z+.-]*:", target):
        return True
    path, _, anchor = target.partition("#")
    place = (page.parent / path) if path else page
    if not place.exists():
        return False
    return not anchor or place.suffix != ".md" or anchor in anchors_of(place.read_text())
