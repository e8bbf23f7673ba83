"""The application: every route, every guard, one description."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from outlive.entrypoints.http_api import (
    automation,
    choices,
    console,
    control,
    cookbook,
    health,
    history,
    knowledge,
    messages,
    metrics,
    original,
    queues,
    removal,
    sessions,
    signing_in,
    tenants,
    tokens,
    transcripts,
)
from outlive.entrypoints.http_api.callers import Api
from outlive.entrypoints.http_api.describing import described
from outlive.entrypoints.http_api.faults import Failed, on_defect, on_error, on_http, on_invalid
from outlive.entrypoints.http_api.guards import BodyLimit, CallersTrace, EncodedPaths, SafeHeaders
from outlive.errors import OutliveError
from outlive.wiring import App

ROUTERS = (
    health.routes,
    metrics.routes,
    signing_in.open_routes,
    signing_in.routes,
    messages.routes,
    sessions.routes,
    choices.routes,
    transcripts.routes,
    control.routes,
    history.routes,
    knowledge.routes,
    automation.routes,
    queues.routes,
    removal.routes,
    tenants.routes,
    tokens.routes,
    cookbook.routes,
    original.routes,
)


def create_app(app: App, *, token: str | None = None) -> FastAPI:
    """The ASGI application on an opened app, which stays its opener's; `token` is the internal one, for everything."""
    served = _routed()
    console.add_to(served)
    served.state.api = Api(app, token, max_streams=app.settings.http_max_streams)
    for kind, handler in (
        (OutliveError, on_error),
        (Failed, on_error),
        (RequestValidationError, on_invalid),
        (HTTPException, on_http),
        (Exception, on_defect),
    ):
        served.add_exception_handler(kind, handler)
    served.add_middleware(BodyLimit, limit=app.settings.http_max_body)
    served.add_middleware(CallersTrace, telemetry=app.engine.telemetry)
    served.add_middleware(EncodedPaths)
    served.add_middleware(SafeHeaders)
    return served


def api_document() -> dict[str, Any]:
    """The OpenAPI document."""
    return _routed().openapi()


def _routed() -> FastAPI:
    served = FastAPI(
        title="outlive", version="1", docs_url=None, redoc_url=None, openapi_url="/openapi.json", redirect_slashes=False
    )
    for routes in ROUTERS:
        served.include_router(routes)
    described(served)
    return served
