"""Where spans are exported: the provider of the process, or one over OTLP that its `OTEL_` variables describe."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import ProxyTracerProvider, Tracer


def open_provider(stack: AsyncExitStack) -> Tracer:
    """A tracer; `stack` sends what has not been sent and closes a provider that was made here.

    A program that has set up OpenTelemetry itself gets its spans there.
    """
    given = trace.get_tracer_provider()
    if not isinstance(given, ProxyTracerProvider):
        return given.get_tracer("outlive")
    provider = TracerProvider(resource=Resource.create({"service.name": "outlive"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))

    async def close() -> None:
        await asyncio.to_thread(provider.shutdown)

    stack.push_async_callback(close)
    return provider.get_tracer("outlive")
