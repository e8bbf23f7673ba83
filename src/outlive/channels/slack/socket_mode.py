"""Socket Mode: events over a connection that the app opens, each confirmed only when it was handed over.

https://docs.slack.dev/apis/events-api/using-socket-mode: Slack sends an event that is not confirmed again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from outlive.channels.slack.client import SlackClient
from outlive.channels.slack.decisions import Decision, Drop
from outlive.channels.slack.interactive import parse_interaction, parse_slash
from outlive.channels.slack.parse import parse_callback
from outlive.channels.slack.rules import Rules
from outlive.channels.stepping import pause_after, run_steps
from outlive.errors import RateLimited, Refused, Unavailable
from outlive.protocols import Clock

HELLO_SECONDS = 30.0
MAX_MESSAGE = 1024 * 1024
KINDS: Mapping[str, Callable[[object, Rules], Decision]] = {
    "events_api": parse_callback,
    "interactive": parse_interaction,
    "slash_commands": parse_slash,
}


@dataclass
class SocketReader:
    """Reads one app's events, over one connection after the other."""

    client: SlackClient
    clock: Clock
    rules: Rules
    take: Callable[[Decision], Awaitable[None]]
    """Hands one over; `Unavailable` when it could not, and the same event comes again."""
    tell: Callable[[str], None]
    """One line for whoever watches."""
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with the first connection that Slack has greeted."""
    _failures: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Read until told to stop. `Refused` for a wrong token, or when Socket Mode was switched off."""
        await run_steps(self.step, stop)

    async def step(self) -> None:
        """One connection from its beginning to its end; a failure that may pass is waited for."""
        try:
            await self._connection()
        except Unavailable as error:
            await self._pause(error.message, error.retry_after if isinstance(error, RateLimited) else 0.0)
        except (OSError, WebSocketException, TimeoutError) as error:
            await self._pause(f"the connection to Slack failed ({type(error).__name__})", 0.0)

    async def _connection(self) -> None:
        url = await self.client.open_socket()
        async with connect(url, max_size=MAX_MESSAGE, open_timeout=HELLO_SECONDS) as socket:
            async for text in socket:
                if await self._message(socket, _read(text)):
                    return

    async def _message(self, socket: ClientConnection, message: Mapping[str, Any]) -> bool:
        """Take one message; True when the connection is to be replaced."""
        match message.get("type"):
            case "hello":
                self._failures = 0
                self.connected.set()
            case "disconnect" if message.get("reason") == "link_disabled":
                raise Refused("Socket Mode is switched off for the app.", fix="Switch it on at the app's page.")
            case "disconnect":
                return True
            case kind if "envelope_id" in message:
                await self._envelope(socket, str(kind), message)
        return False

    async def _envelope(self, socket: ClientConnection, kind: str, message: Mapping[str, Any]) -> None:
        parse = KINDS.get(kind)
        payload = message.get("payload")
        decision = parse(payload, self.rules) if parse else Drop(f"an envelope of type {kind}")
        try:
            await self.take(decision)
        except Unavailable as error:
            self.tell(f"not taken, Slack will send it again: {error.message}")
            return
        await socket.send(json.dumps({"envelope_id": message["envelope_id"]}))

    async def _pause(self, why: str, asked: float) -> None:
        seconds = pause_after(self._failures, asked)
        self._failures += 1
        self.tell(f"{why} Trying again in {seconds:.0f} s.")
        await self.clock.sleep(seconds)


def _read(text: str | bytes) -> Mapping[str, Any]:
    """A message; one that is no JSON object is nobody's."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}
