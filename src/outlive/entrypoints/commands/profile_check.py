"""`outlive profile check`: whether profiles are as they should be."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_text, say


def profile_check(
    place: Annotated[
        str | None, typer.Argument(metavar="[NAME|FOLDER]", help="A profile; all of them by default.")
    ] = None,
    *,
    profiles: options.ProfilesFolder = None,
    json: options.Json = False,
) -> int:
    """Check agent profiles.

    Reads everything in them as a turn would, and names file, line and fix of the first fault in each. Nothing is
    started. Exits 2 when one is broken.
    """
    from outlive.entrypoints.profiles import check_profiles
    from outlive.settings import load_settings

    checked = check_profiles(load_settings(profiles=profiles), place)
    broken = sum(each.error is not None for each in checked)
    if json:
        print_json({"ok": not broken, "profiles": checked})
    else:
        for each in checked:
            print_text(f"{'fail' if each.error else 'ok':<5} {each.name}  {each.error or each.found}")
            if each.fix:
                print_text(f"      fix: {each.fix}")
        say(f"{broken} of {len(checked)} profiles are broken.")
    return 2 if broken else 0
