"""A session's live text as another process sees it: told at once where that works, read from the record where not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from outlive.core.keys import SessionId
from outlive.core.live import LiveState, decode_live, is_newer, live_topic
from outlive.errors import Corrupt, Unavailable
from outlive.flows.engine import Engine
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.live_text import read_live
from outlive.flows.turn.tell_live import PAUSE


@dataclass(slots=True)
class _Heard:
    """What was told last, and whether anybody is telling."""

    state: LiveState | None = None
    is_listening: bool = False
    more: asyncio.Event = field(default_factory=asyncio.Event)


async def watch_live(engine: Engine, stores: TenantStores, session_id: SessionId) -> AsyncGenerator[LiveState, None]:
    """The states of the session's turns, newest first seen, each later than the one before; until it is closed.

    The record is read every `policy.live_seconds` while nothing is told, and every few seconds otherwise: a message
    that was lost costs a little time. `Unavailable` when the table does not answer.
    """
    heard, seen = _Heard(), None
    listening = asyncio.create_task(_listen(engine, live_topic(stores.tenant, session_id), heard))
    try:
        while True:
            told, heard.state = heard.state, None
            state = told or await read_live(engine, stores, session_id)
            if state is not None and is_newer(state, seen):
                seen = state
                yield state
            await _more(engine, heard)
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def _more(engine: Engine, heard: _Heard) -> None:
    """Until something is told, or it is time to look at the record."""
    pace = max(PAUSE, engine.policy.live_seconds) if heard.is_listening else engine.policy.live_seconds
    waits = {asyncio.ensure_future(heard.more.wait()), asyncio.ensure_future(engine.clock.sleep(pace))}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        heard.more.clear()


async def _listen(engine: Engine, topic: str, heard: _Heard) -> None:
    while engine.broadcast is not None:
        with suppress(Unavailable):
            async with aclosing(engine.broadcast.listen(topic)) as messages:
                async for body in messages:
                    heard.is_listening = True
                    with suppress(Corrupt):  # not ours: the record says what is
                        heard.state = decode_live(body, topic) if body else heard.state
                    heard.more.set()
        heard.is_listening = False
        heard.more.set()
        await engine.clock.sleep(PAUSE)
