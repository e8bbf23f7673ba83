"""What any channel shows of a running turn: its text and tool so far, and the one task that shows them."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from outlive.core.keys import SessionKey
from outlive.protocols import AgentEvent, Clock, TextPart, ToolStarted

STEP_SECONDS = 0.25
MAX_FAULTS = 3

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class ShownTurn:
    """One running turn, as far as all channels see it alike."""

    text: str = ""
    tool: str = ""
    silent_until: float = 0.0
    """Epoch seconds: the service asked for no more until then."""
    faults: int = 0
    is_over: bool = False
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while something is being sent: a message whose id nobody learns could never be taken away."""

    def hear(self, event: AgentEvent) -> None:
        """Take in what the agent does."""
        match event:
            case TextPart(text):
                self.text += ("\n\n" if self.tool and self.text else "") + text
                self.tool = ""
            case ToolStarted(_, name, summary):
                self.tool = f"{name}: {summary}" if summary else name

    def is_silent(self, now: float) -> bool:
        """Whether nothing may be sent now: it is over, the service asked for a pause, or refused three times."""
        return self.is_over or self.faults >= MAX_FAULTS or now < self.silent_until


Shown = TypeVar("Shown", bound=ShownTurn)


@dataclass
class ShownTurns(ABC, Generic[Shown]):
    """The turns that run in this process, each shown by a task of its own from `run` to `hush`.

    A channel says in `send_due` what is sent and when.
    """

    clock: Clock
    _turns: dict[SessionKey, Shown] = field(default_factory=dict, init=False)
    _tasks: dict[SessionKey, asyncio.Task[None]] = field(default_factory=dict, init=False)

    @abstractmethod
    async def send_due(self, turn: Shown, now: float) -> None:
        """Send what is due at `now`, epoch seconds; not called for a turn that is silent. Raises nothing."""

    def run(self, key: SessionKey) -> None:
        """Show the turn by itself until it ends."""
        if (turn := self._turns.get(key)) is not None and key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._run(turn))

    def hear(self, key: SessionKey, event: AgentEvent) -> None:
        """Something happens in the turn."""
        if (turn := self._turns.get(key)) is not None:
            turn.hear(event)

    async def hush(self, key: SessionKey) -> Shown | None:
        """The reply is about to be sent: nothing may come after it. What is just being sent is waited for."""
        turn = self._turns.get(key)
        if turn is not None:
            turn.is_over = True
        if turn is not None and (task := self._tasks.pop(key, None)) is not None:
            async with turn.busy:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return turn

    async def close(self) -> None:
        """Stop showing anything."""
        for key in list(self._turns):
            await self.hush(key)

    async def step(self, turn: Shown) -> None:
        """Send what is due now."""
        async with turn.busy:
            if not turn.is_silent(now := self.clock.now()):
                await self.send_due(turn, now)

    async def _run(self, turn: Shown) -> None:
        try:
            while not turn.is_over:
                await self.step(turn)
                await self.clock.sleep(STEP_SECONDS)
        except Exception:  # noqa: BLE001 - only a picture: whatever the service answers, the reply must not fail on it
            _log.exception("a running turn is shown no more")
