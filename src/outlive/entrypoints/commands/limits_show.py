"""`outlive limits show`: what a tenant may use, and what of it is left."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import TYPE_CHECKING

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import local_time, print_fields, print_json, print_table, print_text

if TYPE_CHECKING:
    from outlive.flows.limits.inspect_limits import LimitsReport


def limits_show(*, data: options.Data = None, tenant: options.Tenant = None, json: options.Json = False) -> None:
    """Show a tenant's limits, where each comes from, what is spent and who runs.

    A limit of the tenant comes before one for all tenants, and that before the settings of this process.
    """
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.limits.inspect_limits import inspect_limits

    report = at_tenant(inspect_limits, data=data, tenant=tenant)
    if json:
        print_json(report)
    else:
        _show(report)


def _show(report: LimitsReport) -> None:
    from outlive.entrypoints.limiting import limit_rows, stop_text

    print_table(("limit", "value", "set for"), limit_rows(report), empty="")
    print_text("")
    print_fields(
        {
            "stopped": stop_text(report.stopped),
            "today": f"${report.today_usd:.4f} counted (UTC)",
            "this month": f"${report.month_usd:.4f} counted (UTC)",
            "running": f"{len(report.running)} counted",
        }
    )
    if report.running:
        rows = [(e.session_id, e.fence, local_time(e.until), f"${e.reserved:.4f}") for e in report.running]
        print_table(("session", "fence", "believed until", "set aside"), rows, empty="")
