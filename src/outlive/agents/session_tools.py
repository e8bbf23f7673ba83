"""The turn's own tools as an MCP server inside the worker: the agent's process never gets to the stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server as McpServer

from outlive.agents.profiles import Profile
from outlive.core.outgoing import SEND_FILE
from outlive.errors import OutliveError
from outlive.protocols import AgentTool, AgentTurn


class SessionTools:
    """Tools behind one CLI. A CLI outlives a turn, so what a call reaches is the turn that runs when it comes."""

    def __init__(self, tools: Sequence[AgentTool]) -> None:
        """`tools` of the turn that the CLI starts with; each later turn has the same ones, bound to itself."""
        self._tools: Mapping[str, AgentTool] = {}
        self.use(tools)
        self.server = McpServer[Any]("outlive", on_list_tools=self._list, on_call_tool=self._call)

    @property
    def offered(self) -> bool:
        """Whether there is any."""
        return bool(self._tools)

    def use(self, tools: Sequence[AgentTool]) -> None:
        """Lead calls to this turn from now on."""
        self._tools = {tool.name: tool for tool in tools}

    async def _list(
        self, _context: ServerRequestContext[Any], _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(name=tool.name, description=tool.description, input_schema=dict(tool.input_schema))
                for tool in self._tools.values()
            ]
        )

    async def _call(
        self, _context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        tool = self._tools.get(params.name)
        if tool is None:
            return _said(f"There is no tool {params.name!r}.", is_error=True)
        try:
            return _said(await tool.call(params.arguments or {}))
        except OutliveError as error:
            return _said(f"{type(error).__name__}: {error}", is_error=True)


def with_own_tools(profile: Profile, turn: AgentTurn) -> tuple[Profile, AgentTurn]:
    """The profile with its word on files, which by default is the channel's; and the turn with the tools it wants."""
    settings = profile.settings
    if settings.send_files is None:
        sends = any(tool.by_default for tool in turn.tools if tool.name == SEND_FILE)
        settings = replace(settings, send_files=sends)
    wanted = {True: settings.send_files, False: settings.memory_tools}
    tools = tuple(tool for tool in turn.tools if wanted[tool.name == SEND_FILE])
    return replace(profile, settings=settings), replace(turn, tools=tools)


def _said(text: str, *, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=is_error)
