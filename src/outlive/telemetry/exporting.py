"""Where spans are exported: the provider of the process, or one over OTLP that its `OTEL_` variables describe."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import ProxyTracerProvider, Tracer

FLUSH_MS = 2000
"""How long a process that is about to be frozen waits for who takes its spans."""

Flush = Callable[[], Awaitable[None]]


def open_provider(stack: AsyncExitStack) -> tuple[Tracer, Flush]:
    """A tracer, and what sends the spans so far; `stack` sends the rest and closes a provider that was made here.

    A program that has set up OpenTelemetry itself gets its spans there, and sends them itself.
    """
    given = trace.get_tracer_provider()
    if not isinstance(given, ProxyTracerProvider):
        return given.get_tracer("outlive"), nothing_to_send
    provider = TracerProvider(resource=Resource.create({"service.name": "outlive"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))

    async def close() -> None:
        await asyncio.to_thread(provider.shutdown)

    async def flush() -> None:
        await asyncio.to_thread(provider.force_flush, FLUSH_MS)

    stack.push_async_callback(close)
    return provider.get_tracer("outlive"), flush


async def nothing_to_send() -> None:
    """Nothing is kept back here."""
