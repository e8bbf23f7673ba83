"""Where telemetry goes: Prometheus, CloudWatch, structured logs, OpenTelemetry."""
