"""`outlive serve` as a process of its own, with the real CLI and the scripted model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.http_api.conftest import events_of

pytestmark = pytest.mark.cli


@pytest.fixture
def server(tmp_path: Path):
    """The running server: its process, its URL and the token it made."""
    tmp_path.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OUTLIVE_", "ANTHROPIC_"))}
    own = {"OUTLIVE_DATA": str(tmp_path / "data"), "OUTLIVE_WORKSPACES": str(tmp_path / "trees")}
    command = [sys.executable, "-m", "outlive", "serve", "--port", "0", "--model", "scripted", "--json"]
    process = subprocess.Popen(
        command, env=kept | own | {"OUTLIVE_ISOLATION": "none"}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    yield process, told["url"], told["token"]
    process.kill()
    process.wait()
    process.stdout.close()


async def test_a_process_streams_a_turn_and_ends_in_order(server) -> None:
    """A message is streamed as it is answered, ends with its committed turn, and SIGTERM ends the server with 0."""
    process, url, token = server
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as http:
        body = {"text": "Write 'Ship on Friday' to plan.md"}
        async with http.stream("POST", "/v1/sessions/ada/messages", json=body) as response:
            pieces = [piece async for piece in response.aiter_text()]
        found = events_of("".join(pieces))
        assert len(pieces) > 2
        names = [name for _, name, _ in found]
        assert (names[0], names[-1]) == ("accepted", "result")
        assert {"tool", "text"} <= set(names)
        text = "".join(data["text"] for _, name, data in found if name == "text")
        assert found[-1][2]["reply"].strip() in text
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
