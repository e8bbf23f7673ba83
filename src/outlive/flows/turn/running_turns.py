"""The turns that run in this process, for whoever in it wants to stop one at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from outlive.core.keys import SessionId, Tenant


@dataclass(slots=True)
class RunningTurn:
    """One of them."""

    message_id: str
    since: float
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it to have the agent interrupted; what it has done is kept."""


@dataclass(slots=True)
class RunningTurns:
    """All of them; a session runs one at a time."""

    _turns: dict[tuple[Tenant, SessionId], RunningTurn] = field(default_factory=dict)

    def find(self, tenant: Tenant, session_id: SessionId) -> RunningTurn | None:
        """The session's turn, if this process runs one."""
        return self._turns.get((tenant, session_id))

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._turns)

    @contextmanager
    def entered(self, tenant: Tenant, session_id: SessionId, turn: RunningTurn) -> Iterator[RunningTurn]:
        """Have it found while the block runs."""
        self._turns[tenant, session_id] = turn
        try:
            yield turn
        finally:
            if self._turns.get((tenant, session_id)) is turn:
                del self._turns[tenant, session_id]
