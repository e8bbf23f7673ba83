"""`outlive preferences get`: what a user told an agent about how they like things."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json


def preferences_get(
    user: options.PreferencesUser,
    *,
    agent: options.AgentName = "default",
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,  # noqa: ARG001 - it is JSON either way
) -> None:
    """Print a user's preferences for an agent as JSON, with their version."""
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.knowledge.preferences import read_preferences

    print_json(at_tenant(partial(read_preferences, user=user, agent=agent), data=data, tenant=tenant))
