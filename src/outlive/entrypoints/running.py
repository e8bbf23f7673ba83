"""How a command gets its app: settings from its options, everything opened, used and closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from outlive.core.keys import SessionId, SessionKey, Tenant, parse_session_id
from outlive.entrypoints.deeds import Deed, note
from outlive.errors import Invalid
from outlive.flows.engine import Engine
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_session import find_session
from outlive.settings import load_settings
from outlive.wiring import App, open_at_rest

T = TypeVar("T")


def at_rest(call: Callable[[App], Coroutine[Any, Any, T]], *, deed: Deed | None = None, **options: object) -> T:
    """What `call` returns, given an app that runs no turns, with these settings; None leaves a setting alone.

    A `deed` is noted in the audit once it is done.
    """
    settings = load_settings(**options)

    async def run() -> T:
        async with open_at_rest(settings) as app:
            found = await call(app)
            if deed is not None:
                await note(app, deed)
            return found

    return asyncio.run(run())


def at_tenant(
    call: Callable[[Engine, TenantStores], Coroutine[Any, Any, T]], *, deed: Deed | None = None, **options: object
) -> T:
    """The same for a flow that works on everything of the tenant."""
    return at_rest(lambda app: call(app.engine, app.stores), deed=deed, **options)


def of_tenant(call: Callable[[Engine, TenantStores], Coroutine[Any, Any, T]], **options: object) -> tuple[Tenant, T]:
    """The same with the tenant's name: who finds nothing may have looked into another one."""

    async def run(app: App) -> tuple[Tenant, T]:
        return app.stores.tenant, await call(app.engine, app.stores)

    return at_rest(run, deed=None, **options)


def at_session(
    session: str,
    call: Callable[[Engine, TenantStores, SessionId], Coroutine[Any, Any, T]],
    *,
    deed: Deed | None = None,
    **options: object,
) -> T:
    """The same for a flow that works on one session, named by its id or by a session key; `NotFound` without one."""

    async def run(app: App) -> T:
        stores, session_id = await named_session(app, session)
        return await call(app.engine, stores, session_id)

    return at_rest(run, deed=deed, **options)


async def named_session(app: App, text: str) -> tuple[TenantStores, SessionId]:
    """The session that an id or a session key names, and the stores of its tenant."""
    try:
        return app.stores, parse_session_id(text)
    except Invalid:
        key = app.key(text)
    stores = stores_of(app, key)
    return stores, await find_session(app.engine, stores, key)


def stores_of(app: App, key: SessionKey) -> TenantStores:
    """The stores of the key's own tenant."""
    return app.engine.stores(key.tenant)
