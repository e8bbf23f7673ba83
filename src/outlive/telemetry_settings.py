"""The part of the settings that is about logs, metrics and traces."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class TelemetrySettings(BaseSettings):
    """What a process tells of itself, and where; see `settings.Settings` and docs/how-to/telemetry.md."""

    log_format: Literal["off", "console", "json"] = Field(
        "off", description="How the log on stderr is written: for a terminal, as JSON lines, or not at all."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least that is logged; `info` is about three lines per turn, `warning` what went wrong."
    )
    log_content: bool = Field(
        default=False, description="Log error messages that may quote what people or the model have said."
    )
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="Port of `/metrics` for Prometheus, without sign-in; 0: a free one."
    )
    metrics_host: str = Field("127.0.0.1", description="Address that port is on.")
    emf: str = Field(
        "", max_length=250, description="Name of the deployment: write CloudWatch metrics to stdout; empty: none."
    )
    otel: Literal["off", "on"] = Field(
        "off", description="Whether spans are made by OpenTelemetry, whose own `OTEL_` variables say where they go."
    )
