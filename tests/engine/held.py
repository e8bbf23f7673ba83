"""An agent that works until it is told to go on, can be interrupted and takes further messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from pathlib import Path

from outlive.protocols import AgentEvent, AgentTurn, TurnDone
from outlive.testing.instant_agent import InstantAgent


@dataclass
class HeldAgent(InstantAgent):
    """Ends its turns when `go` is set, or, as interrupted, when it is interrupted."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    steered: list[str] = field(default_factory=list)
    takes_more: bool = True

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        """The instant agent's turn, its end held back."""
        self.stopped.clear()
        async for event in super().run(turn):
            if isinstance(event, TurnDone):
                self.begun.set()
                waits = [asyncio.create_task(each.wait()) for each in (self.go, self.stopped)]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for each in waits:
                    each.cancel()
                yield replace(event, stop_reason="interrupted") if self.stopped.is_set() else event
            else:
                yield event

    async def interrupt(self, root: Path) -> bool:
        """End the turn."""
        self.stopped.set()
        return True

    async def steer(self, root: Path, text: str) -> bool:
        """Note it."""
        if self.takes_more:
            self.steered.append(text)
        return self.takes_more


async def settle(seconds: float = 0.05) -> None:
    """Let other tasks, and the threads that work on files, get on."""
    await asyncio.sleep(seconds)
