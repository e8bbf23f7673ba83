"""`outlive preferences patch`: change what is kept about a user."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, say


def preferences_patch(
    user: options.PreferencesUser,
    patch: Annotated[str, typer.Argument(help="JSON object to merge; null removes; `-` reads stdin.")],
    *,
    agent: options.AgentName = "default",
    expected: Annotated[
        int | None, typer.Option(help="The version the patch was made for.", show_default=False)
    ] = None,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Change a user's preferences for an agent; they are kept for a week after they were last used."""
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.json_arguments import json_object
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.knowledge.preferences import patch_preferences

    given = json_object("the patch", patch)
    asked = partial(patch_preferences, user=user, agent=agent, patch=given, expected=expected)
    kept = at_tenant(asked, deed=deed("preferences.patched", user=user), data=data, tenant=tenant)
    if json:
        print_json(kept)
    else:
        say(f"Preferences version {kept.version}.")
