"""JSON files that people write: read with the line of every key and value, so that an error can name it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from outlive.errors import Invalid

COMMENT = "//"
"""A key that starts so is a comment and is left out, at any depth."""

Step = str | int
At = tuple[Step, ...]
"""Where a value stands: the keys and positions that lead to it."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


@dataclass(frozen=True, slots=True)
class JsonFile:
    """The object in a file, and where each part of it stands."""

    path: Path
    value: dict[str, Any]
    lines: Mapping[At, int]
    """Line of each value, from 1 on; a member of an object is found by the line of its key."""

    def refuse(self, at: At, message: str, *, fix: str) -> NoReturn:
        """Raise `Invalid` that names the file, the line of the part at `at`, and the fix."""
        raise Invalid(f"{self.path}, line {self.lines.get(at, 1)}: {message}", fix=fix)

    def keys(self, at: At, value: Mapping[str, Any], known: Iterable[str]) -> None:
        """Refuse a key of `value` that is not known, with the nearest one that is."""
        names = sorted(known)
        for key in value:
            if key not in names:
                close = difflib.get_close_matches(key, names, n=1)
                hint = f" Did you mean {close[0]!r}?" if close else ""
                self.refuse((*at, key), f"{key!r} is not known here.{hint}", fix=f"Use {', '.join(names)}.")

    def table(self, at: At, value: object) -> dict[str, Any]:
        """The value, which must be an object."""
        if not isinstance(value, dict):
            self.refuse(at, f"{_name(at)} is not an object.", fix="Write it as {...}.")
        return value

    def text(self, at: At, value: object) -> str:
        """The value, which must be a string that says something."""
        if not isinstance(value, str) or not value.strip():
            self.refuse(at, f"{_name(at)} is not a text.", fix="Write it as a string that is not empty.")
        return value

    def texts(self, at: At, value: object) -> tuple[str, ...]:
        """The value, which must be a list of different strings."""
        if not isinstance(value, list):
            self.refuse(at, f"{_name(at)} is not a list.", fix='Write it as ["...", "..."].')
        found = tuple(self.text((*at, place), each) for place, each in enumerate(value))
        for place, each in enumerate(found):
            if each in found[:place]:
                self.refuse((*at, place), f"{each!r} stands twice in {_name(at)}.", fix="Remove one of them.")
        return found

    def flag(self, at: At, value: object) -> bool:
        """The value, which must be true or false."""
        if not isinstance(value, bool):
            self.refuse(at, f"{_name(at)} is neither true nor false.", fix="Write true or false.")
        return value


def parse_json(path: Path, text: str) -> JsonFile:
    """The object in `text`; `Invalid` with the line where it is not JSON, names a thing twice, or is no object."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        said = getattr(error, "msg", "") or str(error)
        raise Invalid(f"{path}, line {line}: this is not JSON ({said}).", fix="Correct the line.") from error
    lines: dict[At, int] = {}
    for at, line, is_new in _places(text):
        if not is_new:
            raise Invalid(f"{path}, line {line}: {at[-1]!r} is given twice.", fix="Keep one of the two.")
        lines[at] = line
    file = JsonFile(path, {}, lines)
    _check_texts(file, (), value)
    return JsonFile(path, _without_comments(file.table((), value)), lines)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _places(text: str) -> Iterator[tuple[At, int, bool]]:
    """Each value of a valid JSON text: where it stands, its line, and whether it is the first to stand there."""
    stack: list[_Open] = []
    line, position = 1, 0
    for token in _TOKEN.finditer(text):
        line += text.count("\n", position, token.start())
        position = token.start()
        word = token.group()
        if word in "}]":
            stack.pop()
        elif word == ",":
            stack[-1].next()
        elif word != ":":
            top = stack[-1] if stack else None
            if top and top.expects_key:
                is_new = top.name(json.loads(word))
                yield tuple(each.step for each in stack), line, is_new
                continue
            if top is None or not top.is_object:
                yield tuple(each.step for each in stack), line, True
            if word in "{[":
                stack.append(_Open(is_object=word == "{"))


class _Open:
    """An object or a list whose end has not come yet."""

    def __init__(self, *, is_object: bool) -> None:
        self.is_object = self.expects_key = is_object
        self.step: Step = "" if is_object else 0
        self._names: set[str] = set()

    def name(self, key: str) -> bool:
        """The key of the value that comes next; whether it is the first of that name."""
        self.step, self.expects_key = key, False
        is_new = key not in self._names or key.startswith(COMMENT)
        self._names.add(key)
        return is_new

    def next(self) -> None:
        """Behind a comma."""
        if isinstance(self.step, int):
            self.step += 1
        self.expects_key = self.is_object


def _check_texts(file: JsonFile, at: At, value: object) -> None:
    """Refuse what no program can be told: NUL, and halves of a character."""
    match value:
        case str():
            if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
                file.refuse(at, f"{_name(at)} holds a NUL or half a character.", fix="Remove it.")
        case list():
            for place, each in enumerate(value):
                _check_texts(file, (*at, place), each)
        case dict():
            for key, each in value.items():
                _check_texts(file, (*at, key), key)
                _check_texts(file, (*at, key), each)


def _without_comments(value: Any) -> Any:  # noqa: ANN401 - any JSON
    match value:
        case dict():
            return {k: _without_comments(each) for k, each in value.items() if not k.startswith(COMMENT)}
        case list():
            return [_without_comments(each) for each in value]
        case _:
            return value


def _name(at: At) -> str:
    return ".".join(str(step) for step in at) or "the file"
