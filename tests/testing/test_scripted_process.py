"""How the scripted model starts and stops, in a test and as a process."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from outlive.testing.scripted_model import ScriptedModel, script
from outlive.testing.scripted_model.__main__ import main
from outlive.testing.scripted_model.http import HttpRequest, HttpResponse, HttpServer

HEADERS = {"x-api-key": "secret", "anthropic-version": "2023-06-01"}
HELLO = {"model": "claude-opus-5-5", "max_tokens": 999, "messages": [{"role": "user", "content": "my name is Ada"}]}
BROKEN = (httpx2.ReadError, httpx2.RemoteProtocolError)


async def post(model: ScriptedModel, body: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=model.url, headers=HEADERS, trust_env=False) as http:
        return await http.post("/v1/messages", json=body)


async def test_stops_at_once_with_streams_open():
    """Closing the server ends a stalled stream at once; the client sees a broken connection."""
    async with ScriptedModel() as model:
        slow = {"role": "user", "content": script({"text": "slow", "stall": 60})}
        call = asyncio.create_task(post(model, {**HELLO, "messages": [slow], "stream": True}))
        await model.wait_for(1)
        started = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - started < 1
    with pytest.raises(BROKEN):
        await call


async def test_a_fault_of_the_handler_is_not_swallowed():
    """An exception in a handler cuts its connection and is reported to the event loop."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    async def broken(request: HttpRequest) -> HttpResponse:
        raise RuntimeError(request.path)

    server = HttpServer(broken, "127.0.0.1", 0, 10)
    port = await server.start()
    async with httpx2.AsyncClient(trust_env=False) as http:
        with pytest.raises(BROKEN):
            await http.get(f"http://127.0.0.1:{port}/x")
    await server.stop()
    assert [str(context["exception"]) for context in reported] == ["/x"]


async def test_env_points_the_client_here_and_nowhere_else():
    """The environment names this server, holds no credential, and switches other providers off."""
    model = ScriptedModel()
    env = model.env()
    assert (env["ANTHROPIC_BASE_URL"], env["ANTHROPIC_API_KEY"]) == (model.url, "scripted-model-needs-no-key")
    assert env["CLAUDE_CODE_USE_BEDROCK"] == env["ANTHROPIC_AUTH_TOKEN"] == ""


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_runs_as_a_process(stop, tmp_path: Path):
    """As a process it prints its URL, serves, and exits 0 when it is told to stop."""
    words = ("-m", "outlive.testing.scripted_model", "--record", str(tmp_path))
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(sys.executable, *words, **pipes)
    url = (await process.stdout.readline()).decode().strip()
    async with httpx2.AsyncClient(base_url=url, headers=HEADERS, trust_env=False) as http:
        assert (await http.post("/v1/messages", json=HELLO)).status_code == 200
    process.send_signal(stop)
    _, noted = await asyncio.wait_for(process.communicate(), 5)
    assert (process.returncode, noted) == (0, b"Scripted model, not a language model. Stop with Ctrl-C.\n")


def test_a_taken_port_is_told(capsys):
    """A port that is in use ends the process with 1 and a line that says what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--port", str(taken.getsockname()[1])]) == 1
    assert "Choose another --port, or 0 for a free one." in capsys.readouterr().err
