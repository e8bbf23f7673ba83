"""The settings table, from the fields of `Settings` themselves."""

from __future__ import annotations

import inspect
import typing
from pathlib import Path
from typing import Literal

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from outlive.settings import PREFIX, Settings

BOUNDS = {
    annotated_types.Gt: ("gt", "above"),
    annotated_types.Ge: ("ge", "at least"),
    annotated_types.Lt: ("lt", "below"),
    annotated_types.Le: ("le", "at most"),
}
KINDS: dict[object, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    Path: "path",
    SecretStr: "secret",
    str: "text",
}


def settings(_root: Path, _page: Path) -> str:
    """One row per setting: variable, key in `outlive.toml`, default, what is allowed, what it does."""
    rows = ["| variable | in `outlive.toml` | default | allowed | what it does |", "|---|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        cells = [
            f"`{variable_of(name, field)}`",
            f"`{name}`",
            _default(field),
            _allowed(field),
            field.description or "",
        ]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def variable_of(name: str, field: FieldInfo) -> str:
    """The environment variable that sets this field."""
    return field.validation_alias if isinstance(field.validation_alias, str) else PREFIX + name.upper()


def _default(field: FieldInfo) -> str:
    """As text that is the same on every machine: a computed default is described, not computed."""
    if field.default_factory is not None:
        described = inspect.getdoc(field.default_factory) or "computed"
        return described.split("\n", 1)[0].rstrip(".")
    if field.default in (None, "", ()):
        return "empty"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def _allowed(field: FieldInfo) -> str:
    """Kind and bounds, in words."""
    bounds = [
        f"{word} {getattr(mark, attribute):,}"
        for mark in field.metadata
        for kind, (attribute, word) in BOUNDS.items()
        if isinstance(mark, kind)
    ]
    return ", ".join([_kind(field.annotation), *bounds])


def _kind(annotation: object) -> str:
    if typing.get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in typing.get_args(annotation))
    if typing.get_origin(annotation) is tuple:
        return f"{KINDS[typing.get_args(annotation)[0]]}, any number, separated by commas"
    kinds = [kind for kind in (typing.get_args(annotation) or (annotation,)) if kind is not type(None)]
    return " or ".join(KINDS[kind] for kind in kinds)
