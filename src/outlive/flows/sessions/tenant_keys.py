"""A tenant's keys as people ask for them."""

from __future__ import annotations

from outlive.core.tenant_keys import KeyRecord
from outlive.errors import Invalid, NotFound
from outlive.flows.engine import Engine
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import TenantKeys


async def show_keys(engine: Engine, stores: TenantStores) -> KeyRecord:
    """What keys there are and were; `NotFound` before the first write."""
    record = await _keys(engine).show(stores.tenant)
    if not record.keys:
        raise NotFound(f"tenant {stores.tenant} has no key yet.", fix="It gets one with the first thing it stores.")
    return record


async def rotate_keys(engine: Engine, stores: TenantStores, *, data_key: bool = False) -> KeyRecord:
    """Wrap the tenant's keys anew; with `data_key` what comes is sealed with a new one, the old ones go on reading."""
    await show_keys(engine, stores)
    return await _keys(engine).rotate(stores.tenant, data_key=data_key)


async def destroy_keys(engine: Engine, stores: TenantStores) -> KeyRecord:
    """Make everything the tenant stored unreadable, wherever a copy of it lies; there is no way back.

    Returns when no worker knows the keys any more. Records and objects stay until an erase removes them.
    """
    await show_keys(engine, stores)
    await _keys(engine).close_tenant(stores.tenant)
    return await _keys(engine).destroy(stores.tenant)


def _keys(engine: Engine) -> TenantKeys:
    if engine.keys is None:
        raise Invalid("nothing is encrypted here.", fix="Set OUTLIVE_KEY_WRAP=file:///PATH, see the how-to.")
    return engine.keys
