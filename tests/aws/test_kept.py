"""What a function does before it is frozen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from outlive.entrypoints.aws_lambda.kept import Kept
from outlive.observing import open_telemetry
from outlive.settings import load_settings


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Paths at which spans have come to whoever takes them over OTLP."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
            """Nothing is logged."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield paths
    server.shutdown()
    server.server_close()


def test_spans_are_sent_before_the_function_is_frozen(taken: list[str], tmp_path: Any) -> None:
    """When an invocation returns, its spans have been taken; nothing waits for a next one that may never come."""

    @asynccontextmanager
    async def open_app() -> AsyncIterator[Any]:
        async with AsyncExitStack() as stack:
            yield SimpleNamespace(observed=open_telemetry(load_settings(data=tmp_path, otel="on"), stack))

    async def call(app: Any) -> str:
        with app.observed.telemetry.span("turn"):
            await asyncio.sleep(0)
        return "done"

    kept = Kept(open_app)
    assert (kept.run(call), taken) == ("done", ["/v1/traces"])
    kept.close()
