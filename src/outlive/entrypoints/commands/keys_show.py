"""`outlive keys show`: what a tenant's data is encrypted with."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from outlive.entrypoints import options
from outlive.entrypoints.key_lines import print_keys


def keys_show(*, data: options.Data = None, tenant: options.Tenant = None, json: options.Json = False) -> None:
    """Show the tenant's data keys, without any secret: when each was made, what wraps it, when it was destroyed."""
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.sessions.tenant_keys import show_keys

    print_keys(at_tenant(show_keys, data=data, tenant=tenant), json=json)
