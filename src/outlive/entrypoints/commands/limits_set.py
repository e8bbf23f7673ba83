"""`outlive limits set`: limits of a tenant, or for all."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated, Any

import typer

from outlive.entrypoints import options
from outlive.errors import Invalid


def _limit(text: str) -> Any:  # noqa: ANN401 - typer's own
    return typer.Option(metavar="NUMBER|none", help=text, show_default=False)


def limits_set(
    *,
    max_usd_per_turn: Annotated[str | None, _limit("Money of one turn, in US dollars.")] = None,
    max_usd_per_session: Annotated[str | None, _limit("Money of one session.")] = None,
    max_usd_per_day: Annotated[str | None, _limit("Money of the tenant in a UTC day.")] = None,
    max_usd_per_month: Annotated[str | None, _limit("Money of the tenant in a UTC month.")] = None,
    max_agent_turns: Annotated[str | None, _limit("Model calls of one turn.")] = None,
    max_concurrent_turns: Annotated[str | None, _limit("Turns of the tenant at one time.")] = None,
    turn_seconds: Annotated[str | None, _limit("Wall time of one turn.")] = None,
    everyone: options.Everyone = False,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Set limits; those that are not named stay as they are, `none` takes one away.

    Workers follow within their `control_seconds`. With --all for every tenant that has no such limit of its own.
    """
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.limiting import change_and_tell, parse_limits
    from outlive.flows.limits.change_limits import set_quotas

    changes = parse_limits(
        {
            "max_usd_per_turn": max_usd_per_turn,
            "max_usd_per_session": max_usd_per_session,
            "max_usd_per_day": max_usd_per_day,
            "max_usd_per_month": max_usd_per_month,
            "max_agent_turns": max_agent_turns,
            "max_concurrent_turns": max_concurrent_turns,
            "turn_seconds": turn_seconds,
        }
    )
    if not changes:
        raise Invalid("no limit is named.", fix="Name one, such as --max-usd-per-day 5.")
    change_and_tell(
        lambda engine, stores: set_quotas(engine, stores, changes),
        deed=deed("limits.changed", all=everyone, **{name: value or "none" for name, value in changes.items()}),
        everyone=everyone,
        json=json,
        data=data,
        tenant=tenant,
    )
