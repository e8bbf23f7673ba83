"""A translated page beside the original: same headings, same code, same links row by row; what differs is named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from scripts.docs.pages import fences_of, links_of

HEADING = re.compile(r"^(#{1,6}) (.+?)\s*$")
NAMED = re.compile(r"^<!-- heading: (.+) -->\s*$")
LANGUAGE_LINKS = frozenset({"README.md", "README.zh-CN.md"})
FIX = "Change README.zh-CN.md in the same commit."


def differences(original: str, translated: str) -> list[str]:
    """One line for each difference, with what is missing or too much; empty when they are in step."""
    return [
        *_compared("heading", headings(original), translated_headings(translated)),
        *_compared_code(_code(original), _code(translated)),
        *_compared("table row", _rows(original), _rows(translated)),
        *_compared("link", _links(original), _links(translated)),
    ]


def headings(text: str) -> list[str]:
    """Headings with their marks, those in code left out."""
    return [line for line in _prose(text) if HEADING.match(line)]


def translated_headings(text: str) -> list[str]:
    """Headings by the original's words, which stand as a comment in the line below each of them."""
    lines = list(_prose(text))
    found = []
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if heading := HEADING.match(line):
            named = NAMED.match(below)
            found.append(f"{heading[1]} {named[1]}" if named else f"{line} (no `<!-- heading: … -->` below it)")
    return found


def _prose(text: str) -> Iterator[str]:
    code = {
        line for fence in fences_of(text) for line in range(fence.line - 1, fence.line + fence.code.count("\n") + 1)
    }
    return (line for number, line in enumerate(text.split("\n"), start=1) if number not in code)


def _code(text: str) -> list[str]:
    return [f"```{fence.language}\n{fence.code}```" for fence in fences_of(text)]


def _rows(text: str) -> list[str]:
    """Each row by what no translation changes: the targets of its links."""
    rows = [line for line in _prose(text) if line.startswith("|")]
    return [", ".join(links_of(row)) or "(a row without links)" for row in rows]


def _links(text: str) -> list[str]:
    return [link for link in links_of(text) if link not in LANGUAGE_LINKS]


def _compared(what: str, original: Sequence[str], translated: Sequence[str]) -> Iterator[str]:
    if list(original) == list(translated):
        return
    missing = [each for each in original if each not in translated]
    extra = [each for each in translated if each not in original]
    yield from (f"{what} missing in the translation: {_first_lines(each)}" for each in missing)
    yield from (f"{what} in the translation only: {_first_lines(each)}" for each in extra)
    if not missing and not extra:
        first = next(
            (pair for pair in zip(original, translated, strict=False) if pair[0] != pair[1]),
            (original[-1], translated[-1]),
        )
        yield f"{what}s are in another order or number: {_first_lines(first[0])} | {_first_lines(first[1])}"


def _compared_code(original: Sequence[str], translated: Sequence[str]) -> Iterator[str]:
    if len(original) != len(translated):
        yield from _compared("code block", original, translated)
        return
    for block, other in zip(original, translated, strict=True):
        lines = zip_longest(block.split("\n"), other.split("\n"), fillvalue="")
        if first := next((pair for pair in lines if pair[0] != pair[1]), None):
            yield f"code block differs at `{first[0]}` | `{first[1]}`"


def _first_lines(text: str) -> str:
    return " ⏎ ".join(text.split("\n")[:3])[:160]
