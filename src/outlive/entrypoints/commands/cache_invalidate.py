"""`outlive cache invalidate`: forget kept results of a tool."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, say


def cache_invalidate(
    tool: options.ToolName,
    parameters: Annotated[
        str | None, typer.Argument(help="JSON object: of this call only.", show_default=False)
    ] = None,
    *,
    agent: options.AgentName = "default",
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Forget every kept result of a tool, or the one for these parameters."""
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.json_arguments import json_object
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.knowledge.tool_cache import ToolCache

    given = None if parameters is None else json_object("parameters", parameters)
    at_tenant(
        lambda engine, stores: ToolCache(stores, engine.clock, engine.tally).invalidate(agent, tool, given),
        deed=deed("cache.invalidated", tool=tool, agent=agent),
        data=data,
        tenant=tenant,
    )
    which = "every result" if given is None else "the result for these parameters"
    if json:
        print_json({"invalidated": which})
    else:
        say(f"Forgot {which} of {tool}.")
