"""`outlive usage`: the bill."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal import progress
from outlive.entrypoints.terminal.output import print_json, print_table, say

if TYPE_CHECKING:
    from outlive.flows.limits.list_usage import UsageLine, UsageReport

COLUMNS = ("turns", "model calls", "cost", "in", "out", "cache read", "cache write", "agent time")


def usage(
    session: options.SomeSession = None,
    *,
    by: Annotated[Literal["session", "day"], typer.Option(help="One line for each.")] = "session",
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Show what a tenant's sessions have used, or one of them.

    Money as the agent reported it, cache reads and writes at their own prices included. Erased and expired sessions
    are not in it. By day (UTC) every session's ledger is read; the count against the tenant's limits stands beside it.
    """
    from outlive.entrypoints.running import at_session, at_tenant
    from outlive.flows.limits.list_usage import days_of_session, usage_by_day, usage_by_session, usage_of_session

    if session is not None:
        flow = days_of_session if by == "day" else usage_of_session
        report = at_session(session, flow, data=data, tenant=tenant)
    elif by == "day":
        with progress.shown("Reading", "sessions") as watch:
            report = at_tenant(partial(usage_by_day, progress=watch), data=data, tenant=tenant)
    else:
        report = at_tenant(usage_by_session, data=data, tenant=tenant)
    if json:
        print_json(report)
    else:
        _show(report, by, of_one=session is not None)


def _show(report: UsageReport, by: str, *, of_one: bool) -> None:
    """The table; of one session nothing is counted against limits, and its one line is the total already."""
    counted = by == "day" and not of_one
    columns = [by, *COLUMNS, *(["counted"] if counted else [])]
    lines = [*report.lines, report.total] if report.lines and (by == "day" or not of_one) else report.lines
    print_table(columns, [_row(line, counted=counted) for line in lines], empty="Nothing has been used.")
    for damage in report.damaged:
        say(f"not in it: {damage}")


def _row(line: UsageLine, *, counted: bool) -> list[object]:
    against_limits = "-" if line.counted_usd is None else f"${line.counted_usd:.4f}"
    return [
        line.name,
        line.turns,
        line.agent_turns,
        f"${line.usd:.4f}",
        f"{line.input_tokens:,}",
        f"{line.output_tokens:,}",
        f"{line.cache_read_tokens:,}",
        f"{line.cache_write_tokens:,}",
        f"{line.seconds:,.1f} s",
        *([against_limits] if counted else []),
    ]
