"""`outlive keys rotate`: wrap a tenant's keys with the wrapping key of today."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.key_lines import print_keys

DataKey = Annotated[bool, typer.Option("--data-key", help="Encrypt what comes with a new data key, too.")]


def keys_rotate(
    *,
    data_key: DataKey = False,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Wrap the tenant's data keys with the first key of OUTLIVE_KEY_WRAP.

    Nothing that is stored is written anew. The key that wrapped them before may go when every tenant is done.
    """
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.sessions.tenant_keys import rotate_keys

    print_keys(
        at_tenant(
            partial(rotate_keys, data_key=data_key),
            deed=deed("keys.rotated", data_key=data_key),
            data=data,
            tenant=tenant,
        ),
        json=json,
    )
