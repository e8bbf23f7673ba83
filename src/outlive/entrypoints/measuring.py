"""The port on which a process without the HTTP API shows its metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from socket import AF_INET, AF_INET6, create_server, socket

from outlive.errors import Invalid
from outlive.telemetry.prometheus import CONTENT_TYPE
from outlive.wiring import App


@asynccontextmanager
async def measured(app: App) -> AsyncIterator[str]:
    """While the block runs, `/metrics` answers where the settings want it; its URL, empty without a port.

    `Invalid` when the port is taken.
    """
    settings = app.settings
    if settings.metrics_port is None:
        yield ""
        return
    host, port = settings.metrics_host, settings.metrics_port
    try:
        listening = create_server((host, port), family=AF_INET6 if ":" in host else AF_INET)
    except OSError as error:
        raise Invalid(
            f"nobody can listen on {host}:{port}: {error.strerror or error}.",
            fix="Choose another OUTLIVE_METRICS_PORT.",
        ) from error
    with listening:
        async with _serving(app.metrics, listening):
            yield f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/metrics"


@asynccontextmanager
async def _serving(metrics: Callable[[], Awaitable[str]], listening: socket) -> AsyncIterator[None]:
    # loaded by the few processes that have such a port
    import uvicorn  # noqa: PLC0415
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.requests import Request  # noqa: PLC0415
    from starlette.responses import Response  # noqa: PLC0415
    from starlette.routing import Route  # noqa: PLC0415

    async def answer(_request: Request) -> Response:
        return Response(await metrics(), media_type=CONTENT_TYPE)

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield  # they are the worker's

    served = Starlette(routes=[Route("/metrics", answer)])
    server = Server(uvicorn.Config(served, log_level="warning", access_log=False, ws="none", lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
