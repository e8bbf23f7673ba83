"""Structured logs: a line for each event, as JSON or for a terminal, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Literal

from outlive.core.telemetry import LEVELS, Fault, Level, Told
from outlive.telemetry.secrets import Redaction

Format = Literal["console", "json"]
Render = Callable[[dict[str, Any]], str]


class Log:
    """Implements `core.telemetry.Listener`. structlog is loaded by the first line that is to be written."""

    def __init__(
        self,
        form: Format,
        level: Level,
        write: Callable[[str], object],
        *,
        secrets: Iterable[str] = (),
        content: bool = False,
        colors: bool = False,
    ) -> None:
        """`write` takes a line without its end; with `content`, error messages that quote people are told, too."""
        self._form, self._write, self._content, self._colors = form, write, content, colors
        self._lowest = LEVELS.index(level)
        self._redaction = Redaction(secrets)
        self._render: Render | None = None

    def __call__(self, told: Told, /) -> None:
        if LEVELS.index(told.event.level) < self._lowest:
            return
        self._render = self._render or _renderer(self._form, self._redaction, colors=self._colors)
        self._write(self._render(line_of(told, content=self._content)))


def line_of(told: Told, *, content: bool) -> dict[str, Any]:
    """What a line says, before it is rendered."""
    about = {each.name: value for each in fields(told.about) if (value := getattr(told.about, each.name))}
    line: dict[str, Any] = {
        "timestamp": datetime.fromtimestamp(told.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": told.event.level,
        "event": told.event.name,
        **about,
    }
    if told.trace_id:
        line["trace_id"] = told.trace_id
    for each in fields(told.event):
        value = getattr(told.event, each.name)
        if isinstance(value, Fault):
            line |= _fault(value, content=content)
        else:
            line[each.name] = round(value, 6) if isinstance(value, float) else value
    return line


def _fault(fault: Fault, *, content: bool) -> dict[str, str]:
    detail = fault.detail or (fault.quoted if content else "")
    return {"error": fault.kind} | ({"detail": detail} if detail else {})


def _renderer(form: Format, redaction: Redaction, *, colors: bool) -> Render:
    import structlog  # noqa: PLC0415 - slow to load, and a quiet process never needs it

    last: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=colors, sort_keys=False)
    )

    def render(line: dict[str, Any]) -> str:
        return str(last(None, line["level"], redaction(None, line["level"], line)))

    return render
