"""`outlive limits stop`: the kill switch."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options


def limits_stop(
    *,
    reason: Annotated[str, typer.Option(help="Why; every user who writes meanwhile is told.")],
    by: Annotated[str, typer.Option(help="Who stops it; empty: the user of this machine.", show_default=False)] = "",
    everyone: options.Everyone = False,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Stop a tenant's turns, or with --all everybody's.

    New messages are answered with the reason, without a model. Running turns are interrupted, and what there is of
    them is kept.
    """
    from outlive.entrypoints.deeds import deed, operator
    from outlive.entrypoints.limiting import change_and_tell
    from outlive.flows.limits.change_limits import stop_turns

    change_and_tell(
        lambda engine, stores: stop_turns(engine, stores, reason=reason, by=by or operator()),
        deed=deed("turns.stopped", reason=reason, all=everyone),
        everyone=everyone,
        json=json,
        data=data,
        tenant=tenant,
    )
