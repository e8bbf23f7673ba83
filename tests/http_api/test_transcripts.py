"""The conversation with what the agent did in it, over the API."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from outlive.testing.instant_agent import InstantAgent
from tests.http_api.conftest import served

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}}


class DatedAgent(InstantAgent):
    """Dates its entries, as the CLI does, and is sent an image with every message."""

    def _append(self, path, entries, kind, text):
        super()._append(path, entries, kind, text)
        lines = path.read_text().splitlines()
        entry = json.loads(lines[-1]) | {"timestamp": datetime.now(UTC).isoformat()}
        if kind == "user":
            entry["message"]["content"] = [{"type": "text", "text": text}, IMAGE]
        path.write_text("\n".join([*lines[:-1], json.dumps(entry, separators=(",", ":"))]) + "\n")


@pytest.fixture
async def api(tmp_path):
    """An API whose agent dates what it does; ada's session has two turns."""
    async with served(tmp_path, DatedAgent()) as client:
        await client.send("write a.txt: one")
        await client.send("write a.txt: two")
        yield client


async def test_each_turn_has_its_own_steps(api) -> None:
    """A turn's steps are those since the turn before, and pages go back to the first one."""
    newest = await api.ok("GET", "/v1/sessions/ada/transcript?limit=1")
    oldest = await api.ok("GET", f"/v1/sessions/ada/transcript?before={newest['before']}")
    texts = [[step["text"] for step in page["turns"][0]["steps"]] for page in (oldest, newest)]
    assert texts == [["", "Message 1: write a.txt: one"], ["", "Message 2: write a.txt: two"]]
    assert (newest["turns"][0]["result"]["turn"], oldest["before"], oldest["earlier"]) == (2, None, [])


async def test_a_rewound_turn_is_not_remembered(api) -> None:
    """A turn that a rewind took out of the transcript stays in the conversation, and says so."""
    await api.ok("POST", "/v1/sessions/ada/rewind", {"version": 1})
    turns = (await api.ok("GET", "/v1/sessions/ada/transcript"))["turns"]
    assert [(turn["remembered"], len(turn["steps"])) for turn in turns] == [(True, 2), (False, 0)]


async def test_an_image_is_served_as_nothing_but_an_image(api) -> None:
    """An image comes with its type, and may do nothing in a browser; an unknown one is not found."""
    turns = (await api.ok("GET", "/v1/sessions/ada/transcript"))["turns"]
    (image,) = turns[0]["steps"][0]["images"]
    response = await api("GET", f"/v1/sessions/ada/images/{image}")
    assert (response.content, response.headers["content-type"]) == (b"hello", "image/png")
    assert "sandbox" in response.headers["content-security-policy"]
    await api.refused(404, "GET", "/v1/sessions/ada/images/nothing")


async def test_the_console_is_open_and_strict(api) -> None:
    """Page and script come without a key, with a policy that allows this server alone, and are asked for once."""
    page = await api("GET", "/", headers={})
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in page.headers["content-security-policy"]
    script = await api("GET", "/console/console.js", headers={})
    assert script.headers["content-type"].startswith("text/javascript")
    again = await api("GET", "/console/console.js", headers={"If-None-Match": script.headers["etag"]})
    assert again.status_code == 304


async def test_only_the_consoles_files_are_served(api) -> None:
    """What is no file of the console is not found, wherever it may lie."""
    for path in ("/console/", "/console/build.json", "/console/..%2Fapp.py", "/console/../app.py"):
        await api.refused(404, "GET", path, headers={})
