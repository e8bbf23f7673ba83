"""`outlive cache stats`: what the tool cache holds of a tool."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from dataclasses import asdict

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_fields, print_json


def cache_stats(
    tool: options.ToolName,
    *,
    agent: options.AgentName = "default",
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Count the kept results of a tool, their bytes, and how often they were used."""
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.knowledge.tool_cache import ToolCache

    found = at_tenant(
        lambda engine, stores: ToolCache(stores, engine.clock).stats(agent, tool), data=data, tenant=tenant
    )
    if json:
        print_json(found)
    else:
        print_fields(asdict(found))
