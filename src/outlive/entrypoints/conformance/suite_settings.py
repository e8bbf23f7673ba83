"""What the live suites are aimed at, and what they leave: pytest makes their objects, so it is told here."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from outlive.entrypoints.conformance.live_stores import LiveStores
from outlive.errors import Invalid
from outlive.settings import Settings
from outlive.stores import Stores, open_stores


@dataclass
class Aim:
    """One run."""

    settings: Settings
    tenants: set[str] = field(default_factory=set)
    stores: Stores | None = None
    loop: asyncio.AbstractEventLoop | None = None
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)


_AIMS: list[Aim] = []


def aim_at(settings: Settings) -> Aim:
    """From now on the suites run on these stores."""
    _AIMS.append(aim := Aim(settings))
    return aim


async def opened(tenant: str) -> Stores:
    """The stores, opened anew for each test's event loop; the tenant is remembered, to be emptied."""
    if not _AIMS:
        raise Invalid("the live suites have no deployment to run on.", fix="Run `outlive conformance`.")
    aim, loop = _AIMS[-1], asyncio.get_running_loop()
    aim.tenants.add(tenant)
    if aim.stores is None or aim.loop is not loop:
        aim.stack = AsyncExitStack()
        aim.stores, aim.loop = await open_stores(aim.settings, aim.stack), loop
    return aim.stores


async def close() -> None:
    """What the test of this event loop opened is closed."""
    if _AIMS and _AIMS[-1].loop is asyncio.get_running_loop():
        aim = _AIMS[-1]
        aim.stores, aim.loop = None, None
        await aim.stack.aclose()


async def remove_all(aim: Aim) -> None:
    """Empty every tenant that the suites made."""
    async with AsyncExitStack() as stack:
        stores = await open_stores(aim.settings, stack)
        for tenant in sorted(aim.tenants):
            await LiveStores([stores], tenant).remove()
