"""The conversation with what the agent did in it, over the API."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from outlive.testing.instant_agent import InstantAgent
from tests.http_api.conftest import served

FILES = "/v1/sessions/ada/turns/3/files"
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


def file(name: str, content: bytes, mime: str = "text/plain"):
    """A file as the API takes it."""
    return {"name": name, "mime": mime, "data": b64encode(content).decode()}


async def test_a_turn_tells_what_came_with_its_message(api) -> None:
    """Name, type and size of a file stand in the turn and in the conversation, and its bytes are served."""
    body = {"text": "look", "files": [file("a b.png", b"pixels", "image/png"), file("c.html", b"<b>", "text/html")]}
    sent = await api.ok("POST", "/v1/sessions/ada/messages", body)
    (turn,) = (await api.ok("GET", "/v1/sessions/ada/messages?limit=1"))["turns"]
    assert turn["attachments"] == sent["attachments"]
    told = [(each["name"], each["mime"], each["size"], each["kept"]) for each in turn["attachments"]]
    assert told == [("a b.png", "image/png", 6, True), ("c.html", "text/html", 3, True)]
    image, page = [await api("GET", f"{FILES}/{quote(each['path'], safe='')}") for each in turn["attachments"]]
    assert (image.content, image.headers["content-type"]) == (b"pixels", "image/png")
    assert page.headers["content-type"] == "application/octet-stream"
    assert page.headers["content-disposition"] == "attachment; filename*=UTF-8''c.html"


async def test_a_file_is_as_its_own_turn_left_it(api) -> None:
    """A later file of the same name does not take the place of the one before, and a stranger's path is not found."""
    for content in (b"old", b"new"):
        await api.ok("POST", "/v1/sessions/ada/messages", {"text": "look", "files": [file("a.txt", content)]})
    found = [await api("GET", f"/v1/sessions/ada/turns/{turn}/files/inbox%2Fa.txt") for turn in (3, 4)]
    assert [each.content for each in found] == [b"old", b"new"]
    for path in ("3/files/a.txt", "2/files/inbox%2Fa.txt", "9/files/inbox%2Fa.txt", "3/files/..%2F..%2Fledger.jsonl"):
        await api.refused(404, "GET", f"/v1/sessions/ada/turns/{path}")


async def test_an_old_file_outlives_its_version(tmp_path) -> None:
    """A file that nobody has changed is served from the newest version when that of its turn is no longer kept."""
    async with served(tmp_path, keep_versions=1) as api:
        await api.ok("POST", "/v1/sessions/ada/messages", {"text": "look", "files": [file("a.txt", b"old")]})
        for _ in range(3):
            await api.send("hello")
        assert (await api("GET", "/v1/sessions/ada/turns/1/files/inbox%2Fa.txt")).content == b"old"


async def test_a_file_reaches_a_session_of_another_channel(api) -> None:
    """A file that is sent through the API into a session of the command line lies in its inbox as well."""
    body = {"text": "look", "files": [file("a.txt", b"hello")]}
    turn = await api.ok("POST", "/v1/sessions/console:ada:default/messages", body)
    assert (turn["text"], turn["attachments"][0]["kept"]) == ("look", True)


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
