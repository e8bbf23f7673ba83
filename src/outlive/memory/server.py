"""What several in-memory handles share, as several workers share one database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from outlive.errors import Unavailable
from outlive.protocols import DeadLetter, Message, Row


@dataclass(slots=True)
class Waiting:
    """A message in the queue and what has happened to it so far."""

    id: str
    message: Message
    sent_at: float
    visible_at: float
    receives: int = 0
    attempts: int = 0
    """Every receive ever made, taken back or not: the source of receipts."""
    receipt: str | None = None
    reason: str = ""


@dataclass(slots=True)
class MemoryServer:
    """One imaginary server: handles made on it see the same data."""

    rows: dict[str, Row] = field(default_factory=dict)
    blobs: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    """key -> content and when it was put (epoch seconds)."""
    waiting: list[Waiting] = field(default_factory=list)
    """In the order sent."""
    letters: dict[str, DeadLetter] = field(default_factory=dict)
    sent: dict[tuple[str, str], float] = field(default_factory=dict)
    """(group, dedupe id) -> when it was first sent (epoch seconds)."""
    last_id: int = 0
    failure: Exception | None = None
    """Set it to make every call fail, as a server that is down does."""

    async def answer(self) -> None:
        """Give other tasks their turn, as a real call would; `Unavailable` while `failure` is set."""
        await asyncio.sleep(0)
        if self.failure is not None:
            raise Unavailable("The in-memory server is down.", original=self.failure)
