"""A profile's MCP server behind the tool cache: the worker talks to it, and the CLI to the worker.

The CLI is given a server of the same name inside the worker, so the tools keep their names, and neither the server's
secrets nor the stores are within the agent's reach.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import anyio
import mcp_types as types
from mcp.client.session import ClientSession
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server as McpServer
from mcp.server.models import InitializationOptions
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, ValidationError

from outlive.agents.servers import Server
from outlive.errors import Invalid
from outlive.protocols import ToolResults

_log = logging.getLogger(__name__)

P = TypeVar("P", bound=BaseModel)
Context = ServerRequestContext[Any]
Paging = types.PaginatedRequestParams | None
Connect = Callable[[], AbstractAsyncContextManager[Any]]
"""Opens the message streams to the server."""


class _NotKept(Exception):
    """A tool's answer that says it has failed."""

    def __init__(self, answer: types.CallToolResult) -> None:
        self.answer = answer


class CachedServer(McpServer[Any]):
    """One server for one CLI; its calls go to the results of the turn that runs when they come."""

    def __init__(self, server: Server, connect: Connect, *, start_seconds: float) -> None:
        """`start_seconds` is how long the server may take to answer when it is opened."""
        super().__init__(
            server.name,
            on_list_tools=self._list_tools,
            on_call_tool=self._call,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
            on_list_prompts=self._list_prompts,
            on_get_prompt=self._get_prompt,
        )
        self._server, self._connect, self._start_seconds = server, connect, start_seconds
        self._session: ClientSession | None = None
        self._results: ToolResults | None = None
        self.has_gone = False
        """It was there once and answers no more."""

    def use(self, results: ToolResults | None) -> None:
        """Keep and look for results there from now on."""
        self._results = results

    async def run(
        self,
        read_stream: Any,  # noqa: ANN401 - the package's own stream protocols are private
        write_stream: Any,  # noqa: ANN401
        initialization_options: InitializationOptions,
        raise_exceptions: bool = False,  # noqa: FBT001, FBT002 - the package's signature
    ) -> None:
        """Serve one CLI for as long as the server behind is open; one that does not start fails the handshake."""
        try:
            async with self._opened() as told:
                options = initialization_options.model_copy(
                    update={"instructions": told.instructions, "capabilities": _passed_on(told.capabilities)}
                )
                await super().run(read_stream, write_stream, options, raise_exceptions)
        except Exception as error:  # noqa: BLE001 - of whatever kind: to the CLI the server is not there
            self.has_gone = True
            # its kind alone: an HTTP client's error may show a URL with a secret in it
            _log.warning("the MCP server %r is not there (%s)", self.name, type(_innermost(error)).__name__)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[types.InitializeResult]:
        async with self._connect() as streams, ClientSession(streams[0], streams[1]) as session:
            with anyio.fail_after(self._start_seconds):
                told = await session.initialize()
            self._session, self.has_gone = session, False
            try:
                yield told
            finally:
                self._session = None

    # -------------------------------------------------------------------------------------------- calls

    async def _call(self, _context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        results, seconds = self._results, self._server.kept.get(params.name)
        if results is None or seconds is None:
            return await self._answer(params)
        made = False

        async def call() -> bytes:
            nonlocal made
            made = True
            answer = await self._answer(params)
            if answer.is_error:
                raise _NotKept(answer)
            return answer.model_dump_json(by_alias=True, exclude_none=True).encode()

        tool = f"mcp__{self._server.name}__{params.name}"
        try:
            kept = await results.call(tool, params.arguments or {}, call, ttl=seconds)
            return types.CallToolResult.model_validate_json(kept)
        except _NotKept as failed:
            return failed.answer
        except (Invalid, ValidationError):  # no key, or an answer that this version cannot read
            return await self._answer(params)
        except MCPError:
            if made:
                raise
            return await self._answer(params)  # somebody else's server failed, whose answer we waited for

    async def _answer(self, params: types.CallToolRequestParams) -> types.CallToolResult:
        request = types.CallToolRequest(params=_plain(params))
        return await self._ask(request, types.CallToolResult)

    async def _ask(self, request: types.Request[Any, Any], result: type[P]) -> P:
        """What the server behind answers; `MCPError` is its own, or says that it has gone."""
        if self._session is None:
            raise MCPError(types.CONNECTION_CLOSED, f"the MCP server {self.name!r} is not there.")
        try:
            return await self._session.send_request(request, result)
        except MCPError as error:
            self.has_gone = self.has_gone or error.error.code == types.CONNECTION_CLOSED
            raise

    # ------------------------------------------------------------------------------- everything else

    async def _list_tools(self, _context: Context, params: Paging) -> types.ListToolsResult:
        return await self._ask(types.ListToolsRequest(params=params), types.ListToolsResult)

    async def _list_resources(self, _context: Context, params: Paging) -> types.ListResourcesResult:
        return await self._ask(types.ListResourcesRequest(params=params), types.ListResourcesResult)

    async def _list_templates(self, _context: Context, params: Paging) -> types.ListResourceTemplatesResult:
        return await self._ask(types.ListResourceTemplatesRequest(params=params), types.ListResourceTemplatesResult)

    async def _read_resource(
        self, _context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        return await self._ask(types.ReadResourceRequest(params=_plain(params)), types.ReadResourceResult)

    async def _list_prompts(self, _context: Context, params: Paging) -> types.ListPromptsResult:
        return await self._ask(types.ListPromptsRequest(params=params), types.ListPromptsResult)

    async def _get_prompt(self, _context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        return await self._ask(types.GetPromptRequest(params=_plain(params)), types.GetPromptResult)


def _innermost(error: Exception) -> Exception:
    """What a failed task group is about."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _plain(params: P) -> P:
    """Without the CLI's own marks: progress, say, that nobody could be told of."""
    return params.model_copy(update={"meta": None})


def _passed_on(capabilities: types.ServerCapabilities) -> types.ServerCapabilities:
    """What of the server the CLI may use; nothing comes from it unasked."""
    return types.ServerCapabilities(
        tools=types.ToolsCapability(),
        resources=types.ResourcesCapability() if capabilities.resources else None,
        prompts=types.PromptsCapability() if capabilities.prompts else None,
    )
