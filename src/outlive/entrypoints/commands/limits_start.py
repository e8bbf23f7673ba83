"""`outlive limits start`: the kill switch taken back."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from outlive.entrypoints import options


def limits_start(
    *,
    everyone: options.Everyone = False,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Let turns run again after a stop.

    A tenant and all tenants are stopped apart from each other: who was stopped by both has to be started by both.
    """
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.limiting import change_and_tell
    from outlive.flows.limits.change_limits import start_turns

    change_and_tell(
        start_turns, deed=deed("turns.started", all=everyone), everyone=everyone, json=json, data=data, tenant=tenant
    )
