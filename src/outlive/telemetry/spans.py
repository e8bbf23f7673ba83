"""Spans by OpenTelemetry's API: where an SDK is set up they are exported, otherwise they cost next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from outlive.core.telemetry import Attributes

W3C = TraceContextTextMapPropagator()
KINDS = {
    "intake": trace.SpanKind.PRODUCER,
    "queue": trace.SpanKind.CONSUMER,
    "turn": trace.SpanKind.CONSUMER,
    "deliver": trace.SpanKind.CLIENT,
    "agent": trace.SpanKind.CLIENT,
}


class OpenTelemetrySpans:
    """Implements `core.telemetry.Spans`."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        """`tracer` of the process's own provider unless given."""
        self._tracer = tracer or trace.get_tracer("outlive")

    @contextmanager
    def span(self, name: str, *, parent: str, attributes: Attributes) -> Iterator[None]:
        kind = KINDS.get(name, trace.SpanKind.INTERNAL)
        with self._tracer.start_as_current_span(
            f"outlive.{name}",
            context=_context(parent),
            kind=kind,
            attributes=dict(attributes),
            record_exception=False,  # an error's message may quote what was said
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                span.set_attribute("error.type", type(error).__name__)
                raise

    @contextmanager
    def under(self, traceparent: str) -> Iterator[None]:
        token = attach(_context(traceparent) or get_current())
        try:
            yield
        finally:
            detach(token)

    def past(self, name: str, began: float, ended: float, *, parent: str, attributes: Attributes) -> None:
        span = self._tracer.start_span(
            f"outlive.{name}",
            context=_context(parent),
            kind=KINDS.get(name, trace.SpanKind.INTERNAL),
            attributes=dict(attributes),
            start_time=int(min(began, ended) * 1e9),
        )
        span.end(int(ended * 1e9))

    def traceparent(self) -> str:
        carrier: dict[str, str] = {}
        W3C.inject(carrier)
        return carrier.get("traceparent", "")


def _context(parent: str) -> Context | None:
    """None for the current one."""
    return W3C.extract({"traceparent": parent}) if parent else None
