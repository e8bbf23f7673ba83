"""`outlive preferences erase`: forget what every agent keeps about a user."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, say


def preferences_erase(
    user: options.PreferencesUser,
    *,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Remove a user's preferences for every agent."""
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.knowledge.preferences import erase_preferences

    removed = at_tenant(
        partial(erase_preferences, user=user), deed=deed("preferences.erased", user=user), data=data, tenant=tenant
    )
    if json:
        print_json({"removed": removed})
    else:
        say(f"Removed {removed} {'record' if removed == 1 else 'records'}.")
