"""`outlive mcp` as a process of its own, over stdio and over HTTP, with the `mcp` package's client."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from outlive.core.api_keys import Role
from outlive.entrypoints.mcp_server.http import parse_address
from outlive.errors import Invalid
from outlive.flows.access.api_keys import create_api_key, revoke_api_key
from outlive.settings import load_settings
from outlive.wiring import App, open_at_rest
from tests.mcp_server.conftest import COMMAND, Caller, calling


def variables(folder: Path) -> dict[str, str]:
    """The whole environment of the server."""
    return {"PATH": os.environ["PATH"], "OUTLIVE_DATA": str(folder / "data"), "OUTLIVE_TENANT": "first"}


@asynccontextmanager
async def at_rest(folder: Path) -> AsyncIterator[App]:
    """The server's own stores."""
    async with open_at_rest(load_settings(data=folder / "data")) as app:
        yield app


async def new_key(folder: Path, tenant: str, role: Role = "operator") -> str:
    """An API key."""
    async with at_rest(folder) as app:
        return (await create_api_key(app.engine, tenant, role, name="test", by="test"))[1]


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[str]:
    """The URL of a server that listens."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--http", "127.0.0.1:0", "--json", env=variables(folder), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield json.loads(await process.stdout.readline())["url"]
    finally:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() in {0, -signal.SIGTERM}


@asynccontextmanager
async def called_with(url: str, token: str) -> AsyncIterator[Caller]:
    """A client with a token."""
    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30)
    async with http, calling(streamable_http_client(url, http_client=http)) as caller:
        yield caller


async def test_a_process_is_served_over_stdio(tmp_path: Path) -> None:
    """A client that starts the server as its child finds, the next time, what it left."""
    server = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=variables(tmp_path))
    async with calling(server) as caller:
        await caller.ok("append_message", session="ada", role="user", text="remember me")
    async with calling(server) as caller:
        page = await caller.ok("read_messages", session="ada")
    assert [message["text"] for message in page["messages"]] == ["remember me"]


async def test_a_key_says_whose_memory_it_is(tmp_path: Path) -> None:
    """Keys of two tenants find nothing of each other; one for all tenants acts for the tenant of the settings."""
    ours, theirs, every = [await new_key(tmp_path, tenant) for tenant in ("first", "other", "")]
    async with served(tmp_path) as url:
        async with called_with(url, ours) as caller:
            await caller.ok("state_patch", session="ada", patch={"extracted_context": {"a": 1}})
        async with called_with(url, theirs) as caller:
            assert await caller.ok("check_session", session="ada") == {"exists": False}
        async with called_with(url, every) as caller:
            assert (await caller.ok("state_get", session="ada"))["version"] == 1


async def test_without_a_right_key_nothing_is_answered(tmp_path: Path) -> None:
    """A wrong key, none, a revoked one get 401, one that may only look 403; no tool is named."""
    looks, gone = [await new_key(tmp_path, "first", role) for role in ("viewer", "admin")]
    async with at_rest(tmp_path) as app:
        await revoke_api_key(app.engine, gone.split("_")[1])
    statuses = []
    async with served(tmp_path) as url, httpx2.AsyncClient() as http:
        for token in ("", "wrong", gone, looks[:-1], looks):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = await http.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=headers)
            assert "tools" not in answer.text
            statuses.append(answer.status_code)
    assert statuses == [401, 401, 401, 401, 403]


async def test_a_client_without_a_key_is_told(tmp_path: Path) -> None:
    """The client's own error comes up, instead of an empty memory."""
    async with served(tmp_path) as url:
        with pytest.raises(ExceptionGroup):
            async with called_with(url, "wrong"):
                pass


async def test_a_web_page_under_another_name_is_refused(tmp_path: Path) -> None:
    """A server on a loopback address answers no request for another host, token or not."""
    headers = {"Authorization": f"Bearer {await new_key(tmp_path, 'first')}", "Host": "evil.example"}
    async with served(tmp_path) as url, httpx2.AsyncClient() as http:
        answer = await http.post(url, json={}, headers=headers)
    assert answer.status_code == 421


@pytest.mark.parametrize("text", ["8080", ":8080", "localhost", "localhost:x", "localhost:99999"])
def test_a_bad_address_is_refused(text: str) -> None:
    """What is not HOST:PORT is named."""
    with pytest.raises(Invalid, match="no address"):
        parse_address(text)
