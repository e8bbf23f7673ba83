"""The environment variable of every command's option: OUTLIVE_CLI_ and the command's words, where it has no other."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from typing import cast

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from outlive.errors import Invalid

COMMAND_PREFIX = "OUTLIVE_CLI_"
"""As in the settings, which are too slow to load for `--help`."""
AUTOMATIC = {"auto_envvar_prefix": COMMAND_PREFIX.rstrip("_")}
"""Settings of the program's context that give each option its variable."""
NOT_SET_BY_VARIABLE = frozenset({"--help", "--version"})

Command = TyperCommand | TyperGroup


def option_variables(app: typer.Typer) -> dict[str, str]:
    """Variable of each option that has no other one, with the command and the option it belongs to."""
    return dict(_variables(cast("Command", typer.main.get_command(app)), COMMAND_PREFIX, "outlive"))


def refuse_unknown_options(app: typer.Typer, environment: Mapping[str, str] = os.environ) -> None:
    """`Invalid` for a variable that begins like those of options and belongs to none."""
    named = [name for name in environment if name.startswith(COMMAND_PREFIX)]
    if not named:
        return
    known = option_variables(app)
    for name in named:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            fix = (
                f"Did you mean {close[0]}?" if close else "Each command's `--help` names the variables of its options."
            )
            raise Invalid(f"{name} belongs to no option of any command.", fix=fix)


def _variables(command: Command, prefix: str, path: str) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        if isinstance(parameter, TyperOption) and not parameter.envvar and parameter.opts[0] not in NOT_SET_BY_VARIABLE:
            yield f"{prefix}{(parameter.name or '').upper()}", f"{path} {parameter.opts[0]}"
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from _variables(cast("Command", below), f"{prefix}{_upper(name)}_", f"{path} {name}")


def _upper(name: str) -> str:
    return name.upper().replace("-", "_")
