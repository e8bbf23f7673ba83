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

from outlive.core.keys import Tenant
from outlive.entrypoints.mcp_server.http import parse_address, parse_tokens
from outlive.errors import Invalid
from tests.mcp_server.conftest import COMMAND, Caller, calling

OURS, THEIRS = "a-token-of-the-first", "a-token-of-the-other"
TOKENS = f"first:{OURS} other:{THEIRS}"


def variables(folder: Path) -> dict[str, str]:
    """The whole environment of the server."""
    return {"PATH": os.environ["PATH"], "OUTLIVE_DATA": str(folder / "data"), "OUTLIVE_MCP_TOKENS": TOKENS}


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


async def test_a_token_says_whose_memory_it_is(tmp_path: Path) -> None:
    """Two tokens over HTTP are two tenants: neither finds what the other has."""
    async with served(tmp_path) as url:
        async with called_with(url, OURS) as caller:
            await caller.ok("state_patch", session="ada", patch={"extracted_context": {"a": 1}})
            assert (await caller.ok("state_get", session="ada"))["version"] == 1
        async with called_with(url, THEIRS) as caller:
            assert await caller.ok("check_session", session="ada") == {"exists": False}


@pytest.mark.parametrize("token", ["", "wrong", OURS[:-1]])
async def test_without_a_right_token_nothing_is_answered(tmp_path: Path, token: str) -> None:
    """A request with a wrong token, or none, gets 401 and no tool."""
    async with served(tmp_path) as url, httpx2.AsyncClient() as http:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await http.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=headers)
    assert (answer.status_code, "tools" in answer.text) == (401, False)


async def test_a_client_without_a_token_is_told(tmp_path: Path) -> None:
    """The client's own error comes up, instead of an empty memory."""
    async with served(tmp_path) as url:
        with pytest.raises(ExceptionGroup):
            async with called_with(url, "wrong"):
                pass


async def test_a_web_page_under_another_name_is_refused(tmp_path: Path) -> None:
    """A server on a loopback address answers no request for another host, token or not."""
    headers = {"Authorization": f"Bearer {OURS}", "Host": "evil.example"}
    async with served(tmp_path) as url, httpx2.AsyncClient() as http:
        answer = await http.post(url, json={}, headers=headers)
    assert answer.status_code == 421


@pytest.mark.parametrize("text", ["", "short", "acme:short", "no tenant:0123456789abcdef", f"a:{OURS} b:{OURS}"])
def test_bad_tokens_are_refused(text: str) -> None:
    """Tokens that are missing, too short, without a tenant or of two tenants keep the server from starting."""
    with pytest.raises(Invalid) as caught:
        parse_tokens(text)
    assert OURS not in str(caught.value)


def test_a_tenant_may_have_two_tokens() -> None:
    """So that one can be replaced while the other is still in use."""
    assert set(parse_tokens(f"acme:{OURS} acme:{THEIRS}").values()) == {Tenant("acme")}


@pytest.mark.parametrize("text", ["8080", ":8080", "localhost", "localhost:x", "localhost:99999"])
def test_a_bad_address_is_refused(text: str) -> None:
    """What is not HOST:PORT is named."""
    with pytest.raises(Invalid, match="no address"):
        parse_address(text)
