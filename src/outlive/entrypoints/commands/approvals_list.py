"""`outlive approvals list`: the tool calls that wait for a person."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import local_time, print_json, print_table


def approvals_list(*, data: options.Data = None, tenant: options.Tenant = None, json: options.Json = False) -> None:
    """List the tool calls that wait for a person.

    The one that expires first comes first. A session has one at most.
    """
    from outlive.entrypoints.running import of_tenant
    from outlive.flows.sessions.list_approvals import list_approvals

    where, found = of_tenant(list_approvals, data=data, tenant=tenant)
    if json:
        print_json(found)
        return
    rows = [
        (
            each.approval.id,
            each.key,
            each.approval.tool,
            each.approval.summary,
            each.approval.rule,
            each.approval.sender or "anybody in the chat",
            "expired" if each.has_expired else local_time(each.approval.expires_at),
        )
        for each in found
    ]
    columns = ("question", "session", "tool", "call", "rule", "asks", "until")
    print_table(columns, rows, empty=f"Nothing waits for an answer in tenant {where}.")
