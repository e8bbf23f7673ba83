"""The api function: the HTTP API, its console and administration, one request at a time.

It runs no turns: messages go into the queue. A stream is told as far as it got when the time is up, and its reader
comes back with `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI

from outlive.entrypoints.aws_lambda.asgi import respond
from outlive.entrypoints.aws_lambda.kept import Kept
from outlive.entrypoints.http_api.app import create_app
from outlive.flows.limits.statistics import flush_when_due
from outlive.wiring import App, open_at_rest

KEPT = Kept(open_at_rest)
RESERVE_SECONDS = 3.0
"""Before the function is ended: time to end a stream and to send what there is."""
_served: dict[int, FastAPI] = {}
"""By app: the application over the one that is kept."""


def run_api(event: Mapping[str, Any], *, remaining_seconds: Callable[[], float]) -> Mapping[str, Any]:
    """Answer one request."""
    return KEPT.run(lambda app: _answer(app, event, remaining_seconds()))


async def _answer(app: App, event: Mapping[str, Any], seconds: float) -> Mapping[str, Any]:
    served = _serving(app)
    closing = served.state.api.closing = asyncio.Event()
    alarm = asyncio.get_running_loop().call_later(max(0.0, seconds - RESERVE_SECONDS), closing.set)
    try:
        return await respond(served, event)
    finally:
        alarm.cancel()
        await flush_when_due(app.beside)


def _serving(app: App) -> FastAPI:
    """The application, made once; without a token of its own only the keys of `outlive tokens` count."""
    if id(app) not in _served:
        token = app.settings.client_auth_token
        _served.clear()
        _served[id(app)] = create_app(app, token=token.get_secret_value() if token else None)
    return _served[id(app)]
