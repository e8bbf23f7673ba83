"""The routes of the HTTP API, from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

Operation = Mapping[str, Any]


def api(_root: Path, _page: Path) -> str:
    """One table per group of routes."""
    from outlive.entrypoints.http_api.app import api_document  # noqa: PLC0415 - slow to load

    found = list(_operations(api_document()))
    return "\n\n".join(_table(tag, list(group)) for tag, group in groupby(found, key=lambda each: each[0]))


def _operations(document: Operation) -> Iterator[tuple[str, str, str, Operation]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield operation["tags"][0], method.upper(), path, operation


def _table(tag: str, rows: list[tuple[str, str, str, Operation]]) -> str:
    lines = [f"## {tag[0].upper()}{tag[1:]}", "", "| | role | body | answers | |", "|---|---|---|---|---|"]
    lines += [_row(method, path, operation) for _, method, path, operation in rows]
    return "\n".join(lines)


def _row(method: str, path: str, operation: Operation) -> str:
    role = operation.get("x-role", "none") + (", all tenants" if operation.get("x-everyone") else "")
    query = [f"`{each['name']}`" for each in operation.get("parameters", []) if each["in"] == "query"]
    told = " ".join(operation["description"].split("\n\n")[0].split()).replace("|", "\\|")
    more = f" Query: {', '.join(query)}." if query else ""
    return f"| `{method} {path}` | {role} | {_body(operation)} | {_answer(operation)} | {told}{more} |"


def _body(operation: Operation) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    return ", ".join(_name(each["schema"]) for each in content.values()) or "-"


def _answer(operation: Operation) -> str:
    found = []
    for status, answer in operation["responses"].items():
        if not status.startswith("2"):
            continue
        found += [
            f"{status} {_name(each.get('schema', {})) or kind}" for kind, each in answer.get("content", {}).items()
        ]
    return ", ".join(found)


def _name(schema: Operation) -> str:
    return f"`{schema['$ref'].rpartition('/')[2]}`" if "$ref" in schema else ""
