"""How events reach the app: signed requests with retries, or envelopes over Socket Mode until they are confirmed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from outlive.testing.slack.signing import signature
from outlive.testing.slack.world import Json

MAX_RETRIES = 3
"""https://docs.slack.dev/apis/events-api: at once, after a minute and after five; here without the waits."""
ANSWER_SECONDS = 3.0


@dataclass
class Sent:
    """One try to hand an event over."""

    kind: str
    attempt: int
    status: int
    """Of the answer; 0 for none in time, 200 for a confirmed envelope."""
    body: bytes = b""


@dataclass
class Delivery:
    """The events' way to the app. Without a `url` they go to whoever is connected, or wait."""

    now: Callable[[], float]
    secret: str
    url: str = ""
    retry_seconds: float = 0.05
    ack_seconds: float = ANSWER_SECONDS
    tries: list[Sent] = field(default_factory=list)
    sockets: list[ServerConnection] = field(default_factory=list)
    _tickets: set[str] = field(default_factory=set)
    _acks: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _here: asyncio.Event = field(default_factory=asyncio.Event)
    _count: int = 0
    _server: Server | None = None

    def push(self, kind: str, payload: Json) -> None:
        """Deliver by and by: `events_api`, `interactive` or `slash_commands`. Only events are tried again."""
        task = asyncio.create_task(self._deliver(kind, payload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, kind: str, payload: Json) -> None:
        for attempt in range(MAX_RETRIES + 1 if kind == "events_api" else 1):
            if attempt:
                await asyncio.sleep(self.retry_seconds)
            sent = await (self.request(kind, payload, attempt) if self.url else self._envelope(kind, payload, attempt))
            self.tries.append(sent)
            if 200 <= sent.status < 300:
                return

    async def idle(self) -> None:
        """Until everything that was pushed is delivered or given up."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    # --------------------------------------------------------------------------------- Events API

    async def request(
        self, kind: str, payload: Json, attempt: int = 0, *, headers: Mapping[str, str] | None = None
    ) -> Sent:
        """One signed request, and how it was answered; `headers` overrides what is sent along."""
        if kind == "events_api":
            body, content = json.dumps(payload).encode(), "application/json"
        else:
            fields = {"payload": json.dumps(payload)} if kind == "interactive" else payload
            body, content = urlencode(fields).encode(), "application/x-www-form-urlencoded"
        stamp = str(int(self.now()))
        sent = {
            "content-type": content,
            "x-slack-request-timestamp": stamp,
            "x-slack-signature": signature(self.secret, stamp, body),
            **({"x-slack-retry-num": str(attempt), "x-slack-retry-reason": "http_error"} if attempt else {}),
            **(headers or {}),
        }
        status, answer = await self.raw(sent, body)
        return Sent(kind, attempt, status, answer)

    async def raw(self, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Any request to the app's address: status and body, 0 without an answer in three seconds."""
        parts = urlsplit(self.url)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
                lines = [f"POST {parts.path or '/'} HTTP/1.1", f"host: {parts.netloc}", "connection: close"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                writer.write("\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body)
                await writer.drain()
                answer = await reader.read()
                writer.close()
        except (OSError, TimeoutError):
            return 0, b""
        head, _, said = answer.partition(b"\r\n\r\n")
        return (int(head.split()[1]) if head.startswith(b"HTTP/") else 0), said

    # -------------------------------------------------------------------------------- Socket Mode

    async def listen(self) -> None:
        """Begin to serve web sockets on a free port."""
        self._server = await serve(self._connected, "127.0.0.1", 0)

    def open_url(self) -> str:
        """An address for one connection."""
        assert self._server is not None
        self._count += 1
        ticket = f"ticket-{self._count}"
        self._tickets.add(ticket)
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}/link/?ticket={ticket}"

    async def _connected(self, socket: ServerConnection) -> None:
        ticket = (socket.request.path if socket.request else "").rpartition("ticket=")[2]
        if ticket not in self._tickets:
            await socket.close(1008, "unknown ticket")
            return
        self._tickets.discard(ticket)
        await socket.send(json.dumps({"type": "hello", "num_connections": len(self.sockets) + 1}))
        self.sockets.append(socket)
        self._here.set()
        try:
            async for text in socket:
                if (ack := self._acks.get(json.loads(text).get("envelope_id"))) is not None and not ack.done():
                    ack.set_result(None)
        except ConnectionClosed:
            pass
        finally:
            self.sockets.remove(socket)
            if not self.sockets:
                self._here.clear()

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Tell every connection to go."""
        for socket in list(self.sockets):
            await socket.send(json.dumps({"type": "disconnect", "reason": reason}))

    async def _envelope(self, kind: str, payload: Mapping[str, Any], attempt: int) -> Sent:
        await self._here.wait()
        self._count += 1
        name = f"envelope-{self._count}"
        envelope = {"envelope_id": name, "type": kind, "accepts_response_payload": kind != "events_api"}
        retried = {"retry_attempt": attempt, "retry_reason": "timeout" if attempt else ""}
        ack = self._acks[name] = asyncio.get_running_loop().create_future()
        try:
            await self.sockets[-1].send(json.dumps({**envelope, **retried, "payload": payload}))
            await asyncio.wait_for(ack, self.ack_seconds)
        except (TimeoutError, ConnectionClosed, IndexError):
            return Sent(kind, attempt, 0)
        finally:
            del self._acks[name]
        return Sent(kind, attempt, 200)

    async def close(self) -> None:
        """Stop delivering and serving."""
        for task in list(self._tasks):
            task.cancel()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
