"""The MCP server as a process: opened, announced, served until it is told to stop."""

from __future__ import annotations

import asyncio

from outlive.entrypoints.mcp_server.http import PATH, http_app, listen, parse_address, serve_http
from outlive.entrypoints.mcp_server.memory import Memory
from outlive.entrypoints.mcp_server.server import serve_stdio
from outlive.entrypoints.terminal.output import print_json, say
from outlive.settings import Settings, load_settings
from outlive.wiring import open_at_rest

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(http: str | None, *, as_json: bool, **options: object) -> None:
    """Serve on an address, or without one on stdin and stdout, until stopped; options as for any command."""
    settings = load_settings(**options)
    asyncio.run(_stdio(settings) if http is None else _http(settings, http, as_json=as_json))


async def _stdio(settings: Settings) -> None:
    async with open_at_rest(settings) as app:
        await serve_stdio(Memory(app.engine, app.stores, settings.profile))


async def _http(settings: Settings, address: str, *, as_json: bool) -> None:
    host, port = parse_address(address)
    async with open_at_rest(settings) as app:
        with listen(host, port) as listening:
            _announce(host, listening.getsockname()[1], as_json=as_json)
            served = http_app(app.engine, settings.profile, app.stores.tenant, is_local=host in LOOPBACK)
            await serve_http(served, listening)


def _announce(host: str, port: int, *, as_json: bool) -> None:
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"
    if as_json:
        print_json({"event": "listening", "url": url})
    else:
        say(f"Memory is served at {url}; Ctrl-C stops it.")
