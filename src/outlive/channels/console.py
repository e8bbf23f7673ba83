"""The console: its replies are read from the session by whoever asked."""

from __future__ import annotations

from outlive.protocols import Reply


class ConsoleChannel:
    """Implements `protocols.Channel`. A committed reply is delivered: `send --wait` and `chat` read it there."""

    async def deliver(self, reply: Reply) -> None:
        """Nothing to send."""
