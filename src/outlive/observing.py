"""Who listens to a process, opened by the settings: metrics, log, CloudWatch, spans."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TextIO
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from outlive.clock import SystemClock
from outlive.core.telemetry import Listener, Spans
from outlive.errors import Invalid
from outlive.flows.telemetry import Telemetry
from outlive.settings import SECRETS, Settings
from outlive.telemetry.cloudwatch import EmbeddedMetrics
from outlive.telemetry.logs import Format, Log
from outlive.telemetry.prometheus import Registry

URLS = ("table", "queue", "objects", "hot", "broadcast", "archive", "keys", "anthropic_base_url", "bedrock_base_url")
"""Settings that may hold a password."""
VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "WEBHOOK_SECRET", "OTEL_EXPORTER_OTLP_HEADERS")
"""Secrets that are no settings."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a process tells of itself."""

    telemetry: Telemetry = field(default_factory=Telemetry)
    registry: Registry = field(default_factory=Registry)
    flush: Callable[[], Awaitable[None]] | None = None
    """Sends the spans so far, for a process that may be frozen; None where there are none."""


def open_telemetry(settings: Settings, stack: AsyncExitStack) -> Observed:
    """The listeners that the settings name; `stack` sends what is left of the spans. `Invalid` where one is missing."""
    registry = Registry()
    listeners: list[Listener] = [registry]
    if settings.log_format != "off":
        listeners.append(_log(settings, sys.stderr))
    if settings.emf:
        listeners.append(EmbeddedMetrics(settings.emf, lambda line: _write(sys.stdout, line)))
    spans, flush = _spans(stack) if settings.otel == "on" else (None, None)
    return Observed(Telemetry(SystemClock(), listeners, spans), registry, flush)


def secrets_of(settings: Settings) -> list[str]:
    """Every secret that the settings hold, passwords of store URLs included."""
    found: list[str] = []
    for name in SECRETS:
        value: SecretStr | None = getattr(settings, name)
        if value is not None:
            found += [value.get_secret_value(), *value.get_secret_value().split()]
    for url in (getattr(settings, name) for name in URLS):
        password = urlsplit(url or "").password
        found += [password, unquote(password)] if password else []
    return [*found, *(os.environ[name] for name in VARIABLES if os.environ.get(name))]


def _log(settings: Settings, stream: TextIO) -> Log:
    form: Format = "json" if settings.log_format == "json" else "console"
    return Log(
        form,
        settings.log_level,
        lambda line: _write(stream, line),
        secrets=secrets_of(settings),
        content=settings.log_content,
        colors=form == "console" and stream.isatty(),
    )


def _write(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


def _spans(stack: AsyncExitStack) -> tuple[Spans, Callable[[], Awaitable[None]]]:
    """By the provider that the process has, or by one that exports over OTLP."""
    from outlive.telemetry.spans import OpenTelemetrySpans  # noqa: PLC0415 - nobody else loads it

    try:
        from outlive.telemetry.exporting import open_provider  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise Invalid(f"traces need the package {error.name}.", fix="Install outlive[telemetry].") from error
    tracer, flush = open_provider(stack)
    return OpenTelemetrySpans(tracer), flush
