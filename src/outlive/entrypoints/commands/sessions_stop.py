"""`outlive sessions stop`: the turn that runs, interrupted."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, say


def sessions_stop(
    key: options.Key,
    *,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Interrupt the turn that runs now and keep it as far as it got.

    Messages that wait are not touched. The worker sees it within its tick.
    """
    from outlive.entrypoints.deeds import deed, operator
    from outlive.entrypoints.running import at_rest
    from outlive.flows.delivery.control_session import Stopping, stop_session

    done = at_rest(
        lambda app: stop_session(app.engine, app.key(key), by=operator()),
        deed=deed("session.stopped", key),
        data=data,
        tenant=tenant,
    )
    if json:
        print_json({"stopping": done is Stopping.ASKED, "message": done.value})
    else:
        say(done.value)
