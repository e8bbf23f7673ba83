"""Live text: offered in this process as it comes, and to others by a record that is written now and then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from outlive.core.keys import SessionId
from outlive.core.live import LIVE_TTL, MAX_LIVE_ASKED, LiveState, advanced, encode_live, ended, live_key
from outlive.core.messages import Inbound
from outlive.errors import Conflict, Unavailable
from outlive.flows.engine import Engine
from outlive.flows.overwrite import write_over
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.known_live import known_live
from outlive.flows.turn.tell_live import LiveTeller
from outlive.protocols import AgentEvent, OnEvent, Row

LAST_TRIES = 3
"""To write down how the turn ended. More would only fight with another worker, whose turn it is then."""


@asynccontextmanager
async def shown_live(
    engine: Engine, stores: TenantStores, session_id: SessionId, inbound: Inbound, on_event: OnEvent | None
) -> AsyncIterator[LiveTurn]:
    """Show the turn that the block runs; a block that ends without `finish` has failed.

    Nothing is written unless the policy, or the message's channel by its `pulls`, asks for it.
    """
    asked = inbound.text[:MAX_LIVE_ASKED]
    state = LiveState(session_id, str(inbound.key), inbound.message_id, engine.clock.now(), asked=asked)
    live = LiveTurn(engine, state, on_event)
    channel = engine.channels.get(inbound.key.channel)
    is_recorded = engine.policy.live or engine.broadcast is not None or bool(getattr(channel, "pulls", False))
    record = _Record(engine, stores, live)
    writing = asyncio.create_task(record.keep()) if is_recorded else None
    told = LiveTeller(engine.broadcast, stores.tenant, engine.clock, lambda: live.state) if engine.broadcast else None
    try:
        yield live
    finally:
        if not live.state.ended:
            live.show(ended(live.state, None, engine.clock.now()))
        if told is not None:
            await told.end()
        if writing is not None:
            await record.end(writing)


@dataclass(slots=True)
class LiveTurn:
    """One turn as it is shown."""

    engine: Engine
    state: LiveState
    passed_on: OnEvent | None

    async def on_event(self, event: AgentEvent) -> None:
        """Show an event of the agent."""
        self.show(advanced(self.state, event, self.engine.clock.now()))
        if self.passed_on is not None:
            await self.passed_on(event)

    def finish(self, text: str) -> None:
        """The turn is committed, with this reply."""
        self.show(ended(self.state, text, self.engine.clock.now()))

    def show(self, state: LiveState) -> None:
        """Let everybody see it who watches."""
        if state.revision != self.state.revision:
            self.state = state
            self.engine.live.publish(state)


class _Record:
    """The turn's record in the table: written when something has changed, at most once per `live_seconds`."""

    def __init__(self, engine: Engine, stores: TenantStores, live: LiveTurn) -> None:
        self._engine, self._stores, self._live = engine, stores, live
        self._row: Row | None = None
        self._written = -1

    async def keep(self) -> None:
        self._row = await self._read()
        while True:
            await self.write()
            await self._engine.clock.sleep(self._engine.policy.live_seconds)

    async def end(self, writing: asyncio.Task[None]) -> None:
        """The last state, written whatever the pace; best effort: the ledger has the reply."""
        writing.cancel()
        with suppress(asyncio.CancelledError, Unavailable):
            await writing
        with suppress(Unavailable):
            for _ in range(LAST_TRIES):
                # a write that was cut off may land behind this look, and is then in the way of the last one
                self._row = await self._read()
                if await self.write():
                    return

    async def write(self) -> bool:
        """Whether the record says what the turn looks like now."""
        state = self._live.state
        if state.revision == self._written:
            return True
        key, body = live_key(state.session_id), encode_live(state)
        table, expires_at = self._stores.table, self._engine.clock.now() + LIVE_TTL
        try:
            self._row = await write_over(table, key, body, self._row, expires_at)
        except (Conflict, Unavailable):  # a reply lost, or another worker's turn: looked up before the next try
            self._row = await self._read()
            return False
        self._written = state.revision
        return True

    async def _read(self) -> Row | None:
        key = live_key(self._live.state.session_id)
        return await retrying(lambda: self._stores.table.read(key), self._engine.clock)


async def read_live(engine: Engine, stores: TenantStores, session_id: SessionId) -> LiveState | None:
    """The latest recorded state of the session's last turn; None when none is that we know, or its time is over."""
    key = live_key(session_id)
    row = await retrying(lambda: stores.table.read(key), engine.clock)
    if row is None or (row.expires_at or engine.clock.now() + 1) <= engine.clock.now():
        return None
    return known_live(engine, row.body, key)
