"""What people see of a turn while a function runs it, and are told when it failed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from outlive.core.keys import SessionKey
from outlive.entrypoints.watching import FAILED, showing
from outlive.protocols import AgentEvent, OnEvent
from outlive.wiring import App


@asynccontextmanager
async def shown(app: App, key: SessionKey | None) -> AsyncIterator[OnEvent | None]:
    """Where the turn's events go while the block runs; afterwards, when the function is frozen, nothing goes on."""
    channel = showing(app.engine.channels, key) if key is not None else None
    if key is None or channel is None:
        yield None
        return

    async def hear(event: AgentEvent) -> None:
        channel.live.hear(key, event)

    channel.live.begin(key)
    channel.live.run(key)
    try:
        yield hear
    finally:
        await channel.live.end(key)


async def tell_failed(app: App, key: SessionKey) -> None:
    """Say once a minute that it went wrong; `Unavailable` when the channel does not take it."""
    if channel := showing(app.engine.channels, key):
        await channel.notify(key, FAILED)
