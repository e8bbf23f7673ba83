"""The MCP servers that one CLI finds inside the worker: the turn's own tools, and the profile's that are cached."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.lowlevel import Server as McpServer
from mcp.shared._httpx_utils import create_mcp_http_client

from outlive.agents.cached_server import CachedServer, Connect
from outlive.agents.isolation import Isolation
from outlive.agents.options import CliOptions
from outlive.agents.profiles import Profile
from outlive.agents.server_process import command_streams
from outlive.agents.servers import SESSION, Server
from outlive.agents.session_tools import SessionTools
from outlive.protocols import AgentTurn


class OwnServers:
    """They live as long as their CLI, and work for the turn that runs."""

    def __init__(self, profile: Profile, turn: AgentTurn, connect: Mapping[str, Connect], start_seconds: float) -> None:
        """`connect` opens each server of the profile whose results are kept, by its name."""
        self._tools = SessionTools(turn.tools)
        self._cached = [
            CachedServer(server, connect[server.name], start_seconds=start_seconds)
            for server in profile.running_servers
            if server.kept
        ]

    @property
    def by_name(self) -> dict[str, McpServer[Any]]:
        """As the SDK is told of them."""
        tools = {SESSION: self._tools.server} if self._tools.offered else {}
        return {**tools, **{each.name: each for each in self._cached}}

    @property
    def are_there(self) -> bool:
        """Whether all of them can still serve."""
        return not any(each.has_gone for each in self._cached)

    def use(self, turn: AgentTurn) -> None:
        """Work for this turn from now on."""
        self._tools.use(turn.tools)
        for each in self._cached:
            each.use(turn.results)


def connections(
    profile: Profile, root: Path, isolation: Isolation, options: CliOptions, inherited: Mapping[str, str]
) -> dict[str, Connect]:
    """How each server of the profile whose results are kept is opened."""
    found: dict[str, Connect] = {}
    for server in profile.running_servers:
        if server.kept and server.kind == "command":
            command = [server.config["command"], *server.config.get("args", ())]
            found[server.name] = partial(
                command_streams,
                isolation,
                root,
                command,
                server.config.get("env", {}),
                options=options,
                inherited=inherited,
            )
        elif server.kept:
            found[server.name] = partial(_http_streams, server)
    return found


def _http_streams(server: Server) -> AbstractAsyncContextManager[Any]:
    url, headers = str(server.config["url"]), dict(server.config.get("headers", {}))
    return sse_client(url, headers) if server.kind == "sse" else _streamable(url, headers)


@asynccontextmanager
async def _streamable(url: str, headers: dict[str, str]) -> AsyncIterator[Any]:
    async with create_mcp_http_client(headers) as client, streamable_http_client(url, http_client=client) as streams:
        yield streams
