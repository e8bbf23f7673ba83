"""`outlive profile show`: what an agent profile holds."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import first_words, print_fields, print_json, print_table

COLUMNS = ("part", "name", "what")


def profile_show(
    place: Annotated[str, typer.Argument(metavar="NAME|FOLDER", help="A profile.")],
    *,
    profiles: options.ProfilesFolder = None,
    json: options.Json = False,
) -> None:
    """Show an agent profile.

    Its prompt's size, subagents, MCP servers (on or off), skills, rules and limits. Values that come from the
    environment, headers and arguments are not shown.
    """
    from outlive.entrypoints.profiles import fields_of, rows_of, view_of
    from outlive.settings import load_settings
    from outlive.wiring import find_profile

    profile = find_profile(load_settings(profiles=profiles), place)
    if json:
        print_json(view_of(profile))
        return
    print_fields(fields_of(profile))
    rows = [(part, name, first_words(what, 100)) for part, name, what in rows_of(profile)]
    print_table(COLUMNS, rows, empty="No subagents, servers, skills or rules of its own.")
