"""The seam through which flows say what happens: to listeners and into spans, or, by default, to nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, replace

from outlive.core.messages import Inbound
from outlive.core.telemetry import About, Event, Listener, Spans, Told
from outlive.protocols import Clock

_ABOUT: ContextVar[About | None] = ContextVar("about", default=None)
NOBODY = About()


@dataclass(slots=True)
class Telemetry:
    """What one process tells of itself. Never raises, asks no store anything, and costs next to nothing unheard."""

    clock: Clock | None = None
    """Needed where there are listeners."""
    listeners: Sequence[Listener] = ()
    spans: Spans | None = None
    faults: dict[str, int] = field(default_factory=dict)
    """What listeners have raised, by the name of the error."""

    def take_faults(self) -> list[tuple[str, int]]:
        """What there was since the last call."""
        taken, self.faults = self.faults, {}
        return sorted(taken.items())

    def event(self, event: Event) -> None:
        """Tell the listeners; one that fails keeps nobody else from hearing it."""
        if not self.listeners or self.clock is None:
            return
        told = Told(event, _ABOUT.get() or NOBODY, self.clock.now(), self.traceparent()[3:35])
        for listener in self.listeners:
            try:
                listener(told)
            except Exception as error:  # noqa: BLE001 - whatever it is, no turn fails because of its telemetry
                name = type(error).__name__
                self.faults[name] = self.faults.get(name, 0) + 1

    def span(self, name: str, *, parent: str = "") -> AbstractContextManager[None]:
        """See `core.telemetry.Spans`; the span carries the ids of whom the block is about."""
        if self.spans is None:
            return nullcontext()
        return self.spans.span(name, parent=parent, attributes=_attributes())

    def under(self, traceparent: str) -> AbstractContextManager[None]:
        """The block belongs to a trace that somebody else has begun."""
        return self.spans.under(traceparent) if self.spans is not None and traceparent else nullcontext()

    def past(self, name: str, began: float, ended: float, *, parent: str = "") -> None:
        """A span that is over; times in epoch seconds."""
        if self.spans is not None:
            self.spans.past(name, began, ended, parent=parent, attributes=_attributes())

    def traceparent(self) -> str:
        """Of the current span; empty without tracing."""
        return self.spans.traceparent() if self.spans is not None else ""


@contextmanager
def about(**known: str | int) -> Iterator[None]:
    """What is told inside the block is about these; what is not named stays as it was outside.

    Tasks that the block starts inherit it.
    """
    token = _ABOUT.set(replace(_ABOUT.get() or NOBODY, **known))  # type: ignore[arg-type]
    try:
        yield
    finally:
        _ABOUT.reset(token)


def about_message(inbound: Inbound) -> AbstractContextManager[None]:
    """The same for a message."""
    return about(
        tenant=str(inbound.key.tenant),
        session_key=str(inbound.key),
        message_id=inbound.message_id,
        task_id=inbound.task_id,
    )


def ids_of(about: About) -> dict[str, str | int]:
    """What is known of whom it is about, by name."""
    return {each.name: value for each in fields(about) if (value := getattr(about, each.name))}


def _attributes() -> dict[str, str | int | float]:
    return {f"outlive.{name}": value for name, value in ids_of(_ABOUT.get() or NOBODY).items()}
