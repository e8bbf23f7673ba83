"""Paths into JSON documents: what differs, what a patch touches, and the two standard patch forms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from outlive.errors import Invalid

Json = Any
"""Any JSON value."""
Pointer = tuple[str, ...]
"""The names from the root to a value. Lists are values: they change as a whole."""

MAX_DEPTH = 32
_NEEDED = {"remove": ("path",), "move": ("path", "from"), "copy": ("path", "from")}
"""What an operation needs beside `op`; the others need `path` and `value`."""


def shown(path: Pointer) -> str:
    """The path as a JSON Pointer (RFC 6901)."""
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in path)


def parse_pointer(text: str) -> Pointer:
    """A JSON Pointer's names; `Invalid` when it is none."""
    if text and not text.startswith("/"):
        raise Invalid(f"path {text!r} is no JSON Pointer.", fix="Start it with a slash: /extracted_context/name.")
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in text.split("/")[1:])


def covers(outer: Pointer, inner: Pointer) -> bool:
    """Whether `inner` is at or below `outer`."""
    return inner[: len(outer)] == outer


def changes(before: Json, after: Json, path: Pointer = ()) -> tuple[list[tuple[Pointer, Any]], list[Pointer]]:
    """The values to put and the paths to remove that make `before` into `after`, as deep down as they can be said."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return ([], []) if _same(before, after) else ([(path, after)], [])
    puts: list[tuple[Pointer, Any]] = []
    removes = [(*path, name) for name in before if name not in after]
    for name, value in after.items():
        if name not in before:
            puts.append(((*path, name), value))
            continue
        inner_puts, inner_removes = changes(before[name], value, (*path, name))
        puts += inner_puts
        removes += inner_removes
    return puts, removes


def _same(one: Json, other: Json) -> bool:
    """Equal as JSON: 1 and true differ, 1 and 1.0 do not matter to a reader but are kept as written."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def value_at(document: Json, path: Pointer) -> Json:
    """The value there; `Invalid` when there is none."""
    for name in path:
        if not isinstance(document, dict) or name not in document:
            raise Invalid(f"there is no {shown(path)}.", fix="Name a field that is there.")
        document = document[name]
    return document


def put(document: Json, path: Pointer, value: Json, *, remove: bool = False) -> None:
    """Put a value at a path in place, objects made on the way, or remove what is there."""
    *parents, name = path
    for parent in parents:
        if not isinstance(document.get(parent), dict):
            if remove:
                return
            document[parent] = {}
        document = document[parent]
    if remove:
        document.pop(name, None)
    else:
        document[name] = value


def merge_patch(target: Json, patch: Json, depth: int = 0) -> Json:
    """The target after a JSON Merge Patch (RFC 7396): null removes, objects merge, anything else replaces."""
    if depth > MAX_DEPTH:
        raise Invalid(f"the patch is deeper than {MAX_DEPTH} levels.", fix="Flatten it.")
    if not isinstance(patch, Mapping):
        return deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value, depth + 1)
    return result


def json_patch(document: Json, operations: Sequence[Mapping[str, Any]]) -> Json:
    """The document after a JSON Patch (RFC 6902); `Invalid` names the operation that cannot be done, and none is."""
    result = deepcopy(document)
    for number, operation in enumerate(operations):
        try:
            _check_fields(operation)
            result = _operation(result, operation)
        except Invalid as error:
            raise Invalid(f"operation {number} of the patch: {error.message}", fix=error.fix) from error
        except (KeyError, IndexError, ValueError, TypeError) as error:
            where = " or ".join(repr(operation[name]) for name in ("path", "from") if name in operation)
            fix = "Read the state again, and name what is there; a patch that merges makes what is missing."
            raise Invalid(f"operation {number} of the patch: nothing is at {where}.", fix=fix) from error
    return result


def _check_fields(operation: Mapping[str, Any]) -> None:
    """`Invalid` for an operation without what its kind needs."""
    fix = 'Write, say, {"op": "add", "path": "/extracted_context/city", "value": "Bern"}; see RFC 6902.'
    for name in ("op", *_NEEDED.get(str(operation.get("op")), ("path", "value"))):
        if name not in operation:
            raise Invalid(f"it has no {name!r}.", fix=fix)
        if name != "value" and not isinstance(operation[name], str):
            raise Invalid(f"{name!r} is no text.", fix=fix)


def _operation(document: Json, operation: Mapping[str, Any]) -> Json:
    path = parse_pointer(operation["path"])
    match operation["op"]:
        case "add":
            return _add(document, path, deepcopy(operation["value"]))
        case "remove":
            return _remove(document, path)
        case "replace":
            return _add(_remove(document, path), path, deepcopy(operation["value"])) if path else operation["value"]
        case "move":
            source = parse_pointer(operation["from"])
            if covers(source, path) and source != path:
                raise Invalid("a value cannot be moved into itself.", fix="Choose another path.")
            value = _at(document, source)
            return _add(_remove(document, source), path, value)
        case "copy":
            return _add(document, path, deepcopy(_at(document, parse_pointer(operation["from"]))))
        case "test":
            if not _same(_at(document, path), operation["value"]):
                raise Invalid(f"the test of {operation['path']!r} fails.", fix="Read the state again.")
            return document
        case unknown:
            raise Invalid(f"{unknown!r} is no operation.", fix="Use add, remove, replace, move, copy or test.")


def _at(document: Json, path: Pointer) -> Json:
    for name in path:
        document = document[_index(document, name)] if isinstance(document, list) else document[name]
    return document


def _add(document: Json, path: Pointer, value: Json) -> Json:
    if not path:
        return value
    parent = _at(document, path[:-1])
    if isinstance(parent, list):
        parent.insert(len(parent) if path[-1] == "-" else _index(parent, path[-1], at_most=len(parent)), value)
    else:
        parent[path[-1]] = value
    return document


def _remove(document: Json, path: Pointer) -> Json:
    parent = _at(document, path[:-1])
    del parent[_index(parent, path[-1]) if isinstance(parent, list) else path[-1]]
    return document


def _index(parent: list[Any], name: str, *, at_most: int | None = None) -> int:
    if not name.isascii() or not name.isdigit() or (len(name) > 1 and name.startswith("0")):
        raise IndexError(name)
    index = int(name)
    if index > (len(parent) - 1 if at_most is None else at_most):
        raise IndexError(name)
    return index
