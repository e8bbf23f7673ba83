"""What Prometheus reads."""

from __future__ import annotations

from starlette.responses import Response

from outlive.entrypoints.http_api.callers import CallerHere
from outlive.entrypoints.http_api.routes import needs, router
from outlive.telemetry.prometheus import CONTENT_TYPE

routes = router("health")


@routes.get(
    "/metrics",
    **needs("viewer", everyone=True),
    response_class=Response,
    responses={200: {"description": "Metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(caller: CallerHere) -> Response:
    """Metrics of this process and of the queue and outbox of all tenants; for a key of all tenants."""
    return Response(await caller.api.app.metrics(), media_type=CONTENT_TYPE)
