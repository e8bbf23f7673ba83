"""The app's public address: Slack's requests, verified, handed over, answered within three seconds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from socket import socket

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from outlive.channels.slack.decisions import Challenge, Decision
from outlive.channels.slack.rules import Rules
from outlive.channels.slack.webhook import MAX_BODY, read_webhook
from outlive.errors import Invalid, OutliveError, Refused, TooLarge, Unavailable
from outlive.protocols import Clock

HANDOVER_SECONDS = 2.5
"""Slack waits for three."""
STATUS: Mapping[type[OutliveError], int] = {TooLarge: 413, Invalid: 400, Refused: 401, Unavailable: 503}


@dataclass
class Endpoint:
    """The ASGI application: one address for events, buttons and slash commands."""

    take: Callable[[Decision], Awaitable[None]]
    """Hands one over; `Unavailable` when it could not, and Slack sends it again."""
    rules: Rules
    secret: str
    clock: Clock
    tell: Callable[[str], None]
    """One line for whoever watches."""
    patience: float = HANDOVER_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        if request.method != "POST":
            is_health = request.url.path == "/health"
            await PlainTextResponse("ok" if is_health else "POST only", 200 if is_health else 405)(scope, receive, send)
            return
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        """200 for everything that was handed over or is none of ours; an error only where Slack shall know of one."""
        try:
            body = await _body(request)
            headers, now = dict(request.headers), self.clock.now()
            decision = read_webhook(headers, body, secret=self.secret, rules=self.rules, now=now)
            async with asyncio.timeout(self.patience):
                await self.take(decision)
        except TimeoutError:
            return _said(503, "the hand-over took too long; send it again")
        except OutliveError as error:
            status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
            self.tell(f"answered {status}: {error.message}")
            return _said(status, error.message)
        if isinstance(decision, Challenge):
            return PlainTextResponse(decision.value)
        return Response(status_code=200)


async def _body(request: Request) -> bytes:
    """The body, read no further than it may be long."""
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > MAX_BODY:
            raise TooLarge(f"the request is longer than {MAX_BODY:,} bytes.")
    return bytes(found)


def _said(status: int, error: str) -> Response:
    return Response(json.dumps({"error": error}), status, media_type="application/json")


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(endpoint: Endpoint, listening: socket, stop: asyncio.Event) -> None:
    """Answer requests until told to stop; those that run are finished."""
    config = uvicorn.Config(endpoint, log_level="warning", access_log=False, timeout_graceful_shutdown=5, ws="none")
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopping.cancel()
    await serving
