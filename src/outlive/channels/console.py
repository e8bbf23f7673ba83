"""The console: its replies are read from the session by whoever asked."""

from __future__ import annotations

from outlive.errors import NotFound
from outlive.protocols import FileRef, Reply


class ConsoleChannel:
    """Implements `protocols.Channel`. A committed reply is delivered: `send --wait` and `chat` read it there."""

    async def deliver(self, reply: Reply) -> None:
        """Nothing to send."""

    async def fetch(self, file: FileRef) -> bytes:
        """There are none here."""
        raise NotFound(f"the console has no file {file.name!r}.", fix="Put it into the working directory.")
