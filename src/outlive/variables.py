"""A model of settings whose fields may also come from environment variables."""

from __future__ import annotations

import os
from functools import cache

from pydantic import BaseModel, ConfigDict

PREFIX = "OUTLIVE_"


class FromVariables(BaseModel):
    """A frozen model; a field that is not given is read from `OUTLIVE_<NAME>`, or from the variable of its alias.

    An empty variable is none, and its case does not matter. Why this is not pydantic-settings:
    docs/decisions/settings-from-variables.md.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    def __init__(self, **given: object) -> None:
        """`given`, by name or alias, goes above the environment. pydantic's `ValidationError` for what is wrong."""
        keys, variables = _keys(type(self))
        lowered = ((variable.lower(), variable) for variable in os.environ)
        found = {variables[small]: os.environ[variable] for small, variable in lowered if small in variables}
        named = {keys.get(name, name): value for name, value in given.items()}
        super().__init__(**{key: value for key, value in found.items() if value} | named)


@cache
def _keys(model: type[BaseModel]) -> tuple[dict[str, str], dict[str, str]]:
    """By name and by variable in small letters: what pydantic wants the field to be called."""
    aliases = {name: field.validation_alias for name, field in model.model_fields.items()}
    keys = {name: alias if isinstance(alias, str) else name for name, alias in aliases.items()}
    variables = {(key if key != name else PREFIX + name).lower(): key for name, key in keys.items()}
    return keys, variables
