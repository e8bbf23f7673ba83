"""What the telemetry of a turn is tested with: listeners that remember, and spans kept in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from outlive.core.telemetry import Event, Told
from outlive.flows.engine import Engine
from outlive.flows.telemetry import Telemetry
from outlive.telemetry.prometheus import Registry
from outlive.telemetry.spans import OpenTelemetrySpans
from tests.engine.conftest import World, new_world, world

__all__ = ["World", "new_world", "world"]
E = TypeVar("E", bound=Event)


@dataclass
class Ear:
    """Remembers what it was told, and adds it up."""

    told: list[Told] = field(default_factory=list)
    registry: Registry = field(default_factory=Registry)
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def __call__(self, told: Told, /) -> None:
        self.told.append(told)
        self.registry(told)

    def on(self, engine: Engine, *others: object) -> Engine:
        """The engine with this listener, and spans."""
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        spans = OpenTelemetrySpans(provider.get_tracer("tests"))
        return replace(engine, telemetry=Telemetry(engine.clock, [*others, self], spans))

    def of(self, kind: type[E]) -> list[E]:
        """The events of a kind."""
        return [told.event for told in self.told if isinstance(told.event, kind)]

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        """The spans that have ended, by name."""
        return {span.name: span for span in self.exporter.get_finished_spans()}

    def sample(self, line: str) -> bool:
        """Whether the metrics have this line."""
        return line in self.registry.render().splitlines()


@pytest.fixture
def ear() -> Ear:
    """One that has heard nothing."""
    return Ear()
