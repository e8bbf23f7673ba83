"""`outlive keys destroy`: make all that a tenant stored unreadable, in every backup, too."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

import sys

import typer

from outlive.entrypoints import options
from outlive.entrypoints.key_lines import print_keys
from outlive.errors import Invalid


def keys_destroy(
    *,
    yes: options.Yes = False,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Destroy the tenant's data keys: what it stored can never be read again, wherever a copy of it lies.

    Waits until no worker has them in memory (OUTLIVE_KEY_SECONDS). `outlive sessions erase --all` does the same, and
    removes the data before.
    """
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.sessions.tenant_keys import destroy_keys

    if not yes:
        if not sys.stdin.isatty():
            raise Invalid("destroying keys has to be confirmed.", fix="Pass --yes.")
        typer.confirm("Destroy the tenant's keys? Nothing it stored can be read again.", abort=True, err=True)
    print_keys(at_tenant(destroy_keys, data=data, tenant=tenant), json=json)
