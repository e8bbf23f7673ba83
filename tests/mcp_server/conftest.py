"""The MCP server with the `mcp` package's own client before it."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from outlive.entrypoints.mcp_server.memory import Memory
from outlive.entrypoints.mcp_server.server import memory_server
from tests.flows.conftest import World

COMMAND = [sys.executable, "-m", "outlive", "mcp"]


@dataclass
class Caller:
    """Calls tools."""

    client: Client

    async def ok(self, tool: str, /, **arguments: Any) -> Any:
        """What a tool returns that has to succeed."""
        said, is_error = await self.call(tool, **arguments)
        assert not is_error, said
        return said

    async def refused(self, tool: str, /, **arguments: Any) -> dict[str, str]:
        """The error of a tool that has to fail."""
        said, is_error = await self.call(tool, **arguments)
        assert is_error, said
        return said["error"]

    async def call(self, tool: str, /, **arguments: Any) -> tuple[Any, bool]:
        """What a tool says, and whether it is an error."""
        result = await self.client.call_tool(tool, arguments)
        (block,) = result.content
        return json.loads(block.text), bool(result.is_error)


@asynccontextmanager
async def calling(server: Any) -> AsyncIterator[Caller]:
    """A client that is connected to a server, a process, or a URL."""
    async with Client(server, read_timeout_seconds=30) as client:
        yield Caller(client)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A tenant without a session."""
    return World(tmp_path)


@asynccontextmanager
async def tenant_calling(world: World, tenant: str = "acme") -> AsyncIterator[Caller]:
    """A client of a tenant, in this process."""
    engine = world.worker()
    async with calling(memory_server(lambda: Memory(engine, engine.stores(tenant), "default"))) as caller:
        yield caller
