"""What is printed: data on stdout, everything else on stderr."""

# ruff: noqa: PLC0415 - rich is loaded when there is a table to draw

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime

from outlive.errors import OutliveError

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
WIDE = 10_000
"""Columns of a table that goes into a file or a pipe: nothing is cut off there."""


def print_json(value: object) -> None:
    """One JSON document on one line, in ASCII, flushed at once so that a reader sees it when it happens."""
    sys.stdout.write(json.dumps(value, default=_plain_value) + "\n")
    sys.stdout.flush()


def _plain_value(value: object) -> object:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def print_text(text: str) -> None:
    """Text of users, agents and files, without what could steer a terminal."""
    sys.stdout.write(visible(text) + "\n")
    sys.stdout.flush()


def visible(text: str) -> str:
    """The text with each control character but tab and newline replaced: it may come from anywhere."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """A table for people; without rows `empty` is said on stderr instead."""
    from rich.console import Console
    from rich.table import Table

    if not rows:
        say(empty)
        return
    width = None if sys.stdout.isatty() else WIDE
    console = Console(highlight=False, markup=False, emoji=False, width=width)
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(visible(str(cell)) for cell in row))
    console.print(table)


def print_fields(fields: Mapping[str, object]) -> None:
    """Name and value, one pair a line."""
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        print_text(f"{name:<{width}}  {value}")


def say(text: str) -> None:
    """A line for people who watch; never part of the data."""
    sys.stderr.write(visible(text) + "\n")
    sys.stderr.flush()


def say_waiting() -> None:
    """Said before a wait for another process: without a worker it would only end with its time."""
    say("Waiting for a worker to answer (`outlive worker` or `outlive serve` elsewhere); Ctrl-C stops waiting.")


def print_error(error: OutliveError, *, as_json: bool) -> None:
    """What went wrong and what to do next, on stderr."""
    print_failure(type(error).__name__, error.message, error.fix, as_json=as_json)


def print_failure(kind: str, message: str, fix: str | None, *, as_json: bool) -> None:
    """An error of any origin, on stderr: one JSON object, or `error:` and `fix:`."""
    if as_json:
        say(json.dumps({"error": {"type": kind, "message": message, "fix": fix}}))
        return
    say(f"error: {message}")
    if fix:
        say(f"fix:   {fix}")


def local_time(at: float) -> str:
    """Epoch seconds as people read them here."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def first_words(text: str, length: int = 60) -> str:
    """The start of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
