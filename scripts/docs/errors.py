"""The error table, from the tree that `errors.py` draws in its docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from scripts.docs.sources import Source, read_source

TREE_LINE = re.compile(r"(?P<indent>[ │├└─]*)(?P<name>[A-Z]\w*)(?:\s+(?P<rest>\S.*))?")
ROOT = "OutliveError"
CODES = re.compile(r"(?P<advice>.*?)\s+(?P<http>\d{3}(?:/\d{3})*) · exit (?P<exit>\d+)")


class DrawnWrong(ValueError):
    """The tree in the docstring is not the tree of the classes."""


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """One line of the tree."""

    name: str
    parent: str
    depth: int
    advice: str
    http: str
    """Its own codes, or those of the nearest class above that has some."""
    exit: str


def errors(root: Path, _page: Path) -> str:
    """One row per error, in the order of the tree, indented below what it is a kind of."""
    source = read_source(root / "src" / "outlive" / "errors.py")
    tree = list(drawn_tree(source.docstring))
    meanings = _meanings(source)
    _compare(tree, source)
    rows = ["| error | what it says | what to do | HTTP | exit |", "|---|---|---|---|---|"]
    for error in tree:
        label = "&ensp;" * 2 * error.depth + f"`{error.name}`"
        rows.append(f"| {label} | {meanings[error.name]} | {error.advice} | {error.http} | {error.exit} |")
    return "\n".join(rows)


def drawn_tree(docstring: str) -> Iterator[ErrorClass]:
    """The lines of the tree, four columns a level; a class without codes of its own has its parent's."""
    above: list[ErrorClass] = []
    for found in _tree_lines(docstring):
        if above:
            del above[len(found["indent"]) // 4 :]
        error = _error_class(found, above)
        above.append(error)
        yield error


def _tree_lines(docstring: str) -> Iterator[re.Match[str]]:
    """From the line of the root to the next empty one, without what the drawing is indented by as a whole."""
    lines = docstring.split("\n")
    start = next((index for index, line in enumerate(lines) if line.strip() == ROOT), len(lines))
    margin = len(lines[start]) - len(lines[start].lstrip()) if start < len(lines) else 0
    for line in takewhile(str.strip, lines[start:]):
        found = TREE_LINE.fullmatch(line[margin:])
        if not found:
            raise DrawnWrong(f"errors.py: {line.strip()!r} is no line of the tree.")
        yield found


def _error_class(found: re.Match[str], above: list[ErrorClass]) -> ErrorClass:
    parent = above[-1] if above else None
    codes = CODES.fullmatch(found["rest"] or "")
    return ErrorClass(
        name=found["name"],
        parent=parent.name if parent else "Exception",
        depth=len(above),
        advice=codes["advice"] if codes else found["rest"] or (f"as `{parent.name}`" if parent else ""),
        http=codes["http"] if codes else parent.http if parent else "",
        exit=codes["exit"] if codes else parent.exit if parent else "",
    )


def _meanings(source: Source) -> dict[str, str]:
    classes = [node for node in source.tree.body if isinstance(node, ast.ClassDef)]
    return {node.name: " ".join((ast.get_docstring(node) or "").split()) for node in classes}


def _compare(tree: list[ErrorClass], source: Source) -> None:
    drawn = {error.name: error.parent for error in tree}
    classes = [node for node in source.tree.body if isinstance(node, ast.ClassDef)]
    defined = {node.name: ast.unparse(node.bases[0]) for node in classes}
    wrong = sorted(name for name in drawn.keys() | defined.keys() if drawn.get(name) != defined.get(name))
    if wrong:
        raise DrawnWrong(f"{source.path}: the docstring draws {', '.join(wrong)} differently from the code.")
