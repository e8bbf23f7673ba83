"""`outlive profile new`: a profile to begin with."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_text, say


def profile_new(
    name: Annotated[str, typer.Argument(help="Small letters, digits, hyphens and underscores.")],
    *,
    profiles: options.ProfilesFolder = None,
    json: options.Json = False,
) -> None:
    """Begin an agent profile.

    Writes a folder of commented files, valid as they are, and prints its path. A folder that exists is left alone.
    """
    from outlive.settings import load_settings
    from outlive.wiring import start_profile

    folder = start_profile(load_settings(profiles=profiles), name)
    if json:
        print_json({"name": name, "folder": folder})
        return
    say(f"Edit it, then: outlive profile check {folder}")
    print_text(str(folder))
