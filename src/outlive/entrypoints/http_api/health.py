"""Whether the process lives, and whether its backends answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from time import perf_counter

from fastapi import APIRouter, Request
from starlette.responses import Response

from outlive.entrypoints.http_api.faults import shown

PING_SECONDS = 3.0
"""For all backends together: they are asked at once."""

routes = APIRouter(tags=["health"])


@dataclass(frozen=True, slots=True)
class Health:
    """The process answers."""

    status: str


@dataclass(frozen=True, slots=True)
class BackendState:
    """What one backend said."""

    name: str
    ok: bool
    ms: float
    error: str | None


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether messages can be taken."""

    ready: bool
    backends: tuple[BackendState, ...]


@routes.get("/health", response_model=Health)
async def health() -> Response:
    """The process answers; no backend is asked."""
    return shown(Health("ok"))


@routes.get("/ready", response_model=Readiness, responses={503: {"description": "A backend does not answer."}})
async def ready(request: Request) -> Response:
    """Every backend is asked at once, and has three seconds; 503 when one does not answer."""
    engine = request.app.state.api.app.beside
    asked = {"table": engine.table.ping(), "objects": engine.objects.ping(), "queue": engine.queue.ping()}
    states = await asyncio.gather(*(_ping(name, call) for name, call in asked.items()))
    is_ready = all(state.ok for state in states)
    return shown(Readiness(is_ready, tuple(states)), 200 if is_ready else 503)


async def _ping(name: str, call: Awaitable[None]) -> BackendState:
    began = perf_counter()
    error = None
    try:
        await asyncio.wait_for(call, PING_SECONDS)
    except TimeoutError:
        error = f"no answer within {PING_SECONDS:g} seconds"
    except Exception as fault:  # noqa: BLE001 - whatever it is, it does not serve
        error = type(fault).__name__
    return BackendState(name, error is None, round((perf_counter() - began) * 1000, 1), error)
