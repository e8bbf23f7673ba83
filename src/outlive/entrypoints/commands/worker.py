"""`outlive worker`: take messages from the queue and answer them, until told to stop."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options


def worker(
    *,
    data: options.Data = None,
    model: options.Model = None,
    profile: options.Profile = None,
    tenant: options.Tenant = None,
    once: Annotated[bool, typer.Option("--once", help="Exit after one turn; the same as --turns 1.")] = False,
    turns: Annotated[
        int | None, typer.Option(min=1, help="Exit after so many turns, failed ones included.", show_default=False)
    ] = None,
    idle_exit: Annotated[
        float | None, typer.Option(min=0, help="Exit after so many seconds without a message.", show_default=False)
    ] = None,
    invocation_seconds: Annotated[
        float | None,
        typer.Option(
            envvar="OUTLIVE_INVOCATION_SECONDS",
            help="Hand the running turn over and exit before so many seconds have passed.",
            show_default=False,
        ),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            envvar="OUTLIVE_METRICS_PORT",
            min=0,
            max=65535,
            help="Show /metrics to Prometheus on this port; 0: a free one.",
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Answer queued messages.

    SIGTERM or Ctrl-C ends the intake; the running turn is finished within the grace time, or stored as far as it got
    and given back. A second signal ends at once (exit 130). With --invocation-seconds a turn that is not done in time
    is stored and given back, and whichever worker comes next goes on with it. With --json each event is one line of
    JSON on stdout.
    """
    from outlive.entrypoints.working import Limits, run_worker
    from outlive.settings import load_settings

    settings = load_settings(
        data=data,
        model=model,
        profile=profile,
        tenant=tenant,
        invocation_seconds=invocation_seconds,
        metrics_port=metrics_port,
    )
    run_worker(settings, Limits(1 if once else turns, idle_exit), as_json=json)
