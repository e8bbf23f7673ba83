"""Python sources read by their syntax tree, without importing them: modules, tests, docstrings, lengths."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef
LAYOUT = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
    }
)


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def docstring(self) -> str:
        """The module's docstring; empty when it has none."""
        return ast.get_docstring(self.tree) or ""


@dataclass(frozen=True, slots=True)
class TestFunction:
    """A test as it stands in its file."""

    path: Path
    name: str
    """`Class.test_name` inside a class."""
    docstring: str
    promises: tuple[str, ...]
    """Of its own marks and its class's."""
    lines: int
    """Of code, signature included."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A function and how many lines of code it has, signature included, docstring and comments not."""

    path: Path
    name: str
    line: int
    lines: int


def sources(*folders: Path) -> list[Source]:
    """Every Python file below these folders, in order of path, but for what npm has put there."""
    paths = sorted(path for folder in folders for path in folder.rglob("*.py") if "node_modules" not in path.parts)
    return [read_source(path) for path in paths]


def read_source(path: Path) -> Source:
    """One file; a syntax error names it."""
    return _parsed(path, path.read_text())


@cache
def _parsed(path: Path, text: str) -> Source:
    """The same file is asked for by many checks, and parsing all takes seconds."""
    return Source(path, text, ast.parse(text, filename=str(path)))


# ------------------------------------------------------------------------------------------------ tests


def files_of_tests(root: Path) -> list[Source]:
    """The files that hold tests: those of this project, and the suites it ships."""
    return sources(root / "tests", root / "src" / "outlive" / "testing")


def each_test(source: Source) -> Iterator[TestFunction]:
    """The tests of a file, in order; those of a class carry the class's name.

    In a file of tests a class counts when pytest would collect it; in a suite, whose classes are inherited, any does.
    """
    collected = "Test" if source.path.name.startswith("test_") else ""
    yield from _tests_in(source, source.tree.body, "", (), code_lines(source.text), collected)


def _tests_in(
    source: Source,
    body: Sequence[ast.stmt],
    prefix: str,
    promises: tuple[str, ...],
    lines: frozenset[int],
    collected: str,
) -> Iterator[TestFunction]:
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name.startswith(collected):
            own = promises + _promises(node.decorator_list)
            yield from _tests_in(source, node.body, f"{prefix}{node.name}.", own, lines, collected)
        elif isinstance(node, FUNCTIONS) and node.name.startswith("test_"):
            yield TestFunction(
                source.path,
                prefix + node.name,
                ast.get_docstring(node) or "",
                tuple(dict.fromkeys(promises + _promises(node.decorator_list))),
                _length(node, lines),
            )


def _promises(decorators: Sequence[ast.expr]) -> tuple[str, ...]:
    """Arguments of `@pytest.mark.promise("P4")`, however `promise` was reached."""
    calls = [call for call in decorators if isinstance(call, ast.Call)]
    named = [call for call in calls if ast.unparse(call.func).split(".")[-1] == "promise"]
    return tuple(ast.literal_eval(argument) for call in named for argument in call.args)


# -------------------------------------------------------------------------------------------- functions


def functions_of(source: Source) -> Iterator[Measured]:
    """Every function with a body, nested ones as well; a protocol's `...` is none."""
    lines = code_lines(source.text)
    for node in ast.walk(source.tree):
        if isinstance(node, FUNCTIONS) and not _is_stub(node):
            yield Measured(source.path, node.name, node.lineno, _length(node, lines))


def protocols_of(source: Source) -> dict[str, int]:
    """The protocols of a file, and how many methods each has."""
    classes = [node for node in source.tree.body if isinstance(node, ast.ClassDef)]
    found = [node for node in classes if any(ast.unparse(base).startswith("Protocol") for base in node.bases)]
    return {node.name: sum(isinstance(item, FUNCTIONS) for item in node.body) for node in found}


@cache
def code_lines(text: str) -> frozenset[int]:
    """Numbers of the lines that hold code: neither blank nor comment alone."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    spans = [(token.start[0], token.end[0]) for token in tokens if token.type not in LAYOUT]
    return frozenset(line for first, last in spans for line in range(first, last + 1))


def _length(node: Function, lines: frozenset[int]) -> int:
    own = set(range(node.lineno, (node.end_lineno or node.lineno) + 1)) & lines
    if ast.get_docstring(node, clean=False) is not None:
        docstring = node.body[0]
        own -= set(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return len(own)


def _is_stub(node: Function) -> bool:
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return all(isinstance(item, ast.Expr) and ast.unparse(item) == "..." for item in body)
