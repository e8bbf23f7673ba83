"""The command reference: every command's own help, as `--help` prints it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import typer
from typer.core import TyperCommand, TyperGroup

MODULE = "outlive.entrypoints.cli"
WIDTH = 100

Command = TyperCommand | TyperGroup


def cli(_root: Path, _page: Path) -> str | None:
    """A section per command; None as long as there is no command line."""
    app = program()
    return "\n\n".join(sections_of(app)) if app else None


def program() -> typer.Typer | None:
    """The command line's app; None when its module does not exist. Any other failure to import it is raised."""
    try:
        module = importlib.import_module(MODULE)
    except ModuleNotFoundError as error:
        if error.name is not None and (MODULE + ".").startswith(error.name + "."):
            return None
        raise
    return cast("typer.Typer", module.app)


def sections_of(app: typer.Typer, name: str = "outlive") -> Iterator[str]:
    """Heading and help of the program, then of every command below it."""
    for path, text in help_of(app, name):
        yield f"## `{path}`\n\n```text\n{text}\n```"


def help_of(app: typer.Typer, name: str = "outlive") -> Iterator[tuple[str, str]]:
    """Full name and help of the program and of every command below it."""
    yield from _help_of(cast("Command", typer.main.get_command(app)), name, None)


def _help_of(command: Command, name: str, parent: typer.Context | None) -> Iterator[tuple[str, str]]:
    """Full name and help of a command and of those below it, hidden ones left out."""
    command.rich_markup_mode = None  # plain text: boxes and colours depend on the terminal
    context = typer.Context(
        command, info_name=name, parent=parent, terminal_width=WIDTH, **({} if parent else command.context_settings)
    )
    yield context.command_path, "\n".join(line.rstrip() for line in command.get_help(context).rstrip().split("\n"))
    if isinstance(command, TyperGroup):
        for found in command.commands.values():
            if not found.hidden:
                yield from _help_of(cast("Command", found), found.name or "", context)
