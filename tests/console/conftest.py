"""`outlive serve` as a process, and a real Chromium that looks at its console."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from outlive.core.keys import session_key
from outlive.core.messages import Inbound, encode_inbound
from outlive.protocols import Message
from outlive.settings import load_settings
from outlive.testing.scripted_model import script
from outlive.wiring import open_at_rest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
TOKEN = "token-of-the-console-tests-0123456789"
REASON = "the worker's disk was full"

TOUCH = script({"tool": "Bash", "input": {"command": "touch plan.md"}}, {"text": "The plan is **there**."})
RICH = script(
    {"tool": "Agent", "input": {"description": "Look around", "subagent_type": "general-purpose",
                                "prompt": "Run `ls`", "run_in_background": False}},
    {"text": "# Found\n\nOne **file**, and ![a picture](https://elsewhere.example/x.png).\n\n```python\nprint('hello')\n```\n\n"
             "| file | size |\n|---|---|\n| plan.md | 14 |\n\n- [x] looked\n\n"
             "<img src=x onerror=alert(1)><script>alert(2)</script>"},
)  # fmt: skip


@dataclass
class Served:
    """A running server, and a client of its API."""

    url: str
    http: httpx.Client

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What a request answers that has to succeed."""
        response = self.http.request(method, path, json=body)
        assert response.status_code < 300, response.text
        return response.json()

    def prepare(self, **texts: list[str]) -> None:
        """Sessions in which these messages were answered."""
        for session, wanted in texts.items():
            for text in wanted:
                self.ask("POST", f"/v1/sessions/{session}/messages?wait=0", {"text": text})
        for session, wanted in texts.items():
            self.wait_for(session, len(wanted))

    def wait_for(self, session: str, turns: int) -> None:
        """Until so many turns are committed, and none runs."""

        def is_answered() -> bool:
            lines = self.ask("GET", f"/v1/sessions?user={session}")["sessions"]
            return bool(lines) and lines[0]["turns"] == turns and lines[0]["held_until"] is None

        until(is_answered)


def until(is_so: Callable[[], bool]) -> None:
    """Look again until it is so."""
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


@dataclass
class Window:
    """A page of the console, and everything that its browser complained of or asked another host for."""

    page: Any
    url: str
    complaints: list[str] = field(default_factory=list)

    def sign_in(self, key: str = "") -> None:
        """With this key, or as whoever may do everything."""
        self.page.request.post(f"{self.url}/v1/sign-in", data={"key": key or TOKEN})

    def open(self, path: str) -> None:
        """Go to a page of the console."""
        self.page.goto(f"{self.url}/#/{path}")

    def shoot(self, name: str) -> None:
        """Keep a picture for whoever wants to look."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png")


async def _give_up_a_message(folder: Path) -> None:
    """A good message that was received too often."""
    async with open_at_rest(load_settings(data=folder)) as app:
        inbound = Inbound(session_key("local", "api", "grace"), "m1", "My name is Grace", app.engine.clock.now())
        await app.engine.queue.send(Message(str(inbound.key), "m1", encode_inbound(inbound)))
        while delivery := await app.engine.queue.receive(visibility=30, wait=0):
            await app.engine.queue.give_back(delivery, delay=0, reason=REASON)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server: it keeps traces, asks before `touch`, and has one dead letter."""
    folder = tmp_path_factory.mktemp("console")
    asyncio.run(_give_up_a_message(folder / "data"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OUTLIVE_", "ANTHROPIC_"))}
    own = {
        "OUTLIVE_DATA": str(folder / "data"), "OUTLIVE_WORKSPACES": str(folder / "trees"), "OUTLIVE_TRACE": "on",
        "OUTLIVE_ISOLATION": "none", "OUTLIVE_APPROVE": "Bash(touch *)", "SDK_CLIENT_AUTH_TOKEN": TOKEN,
    }  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "outlive",
        "serve",
        "--port",
        "0",
        "--model",
        "scripted",
        "--workers",
        "2",
        "--json",
    ]
    process = subprocess.Popen(command, env=kept | own, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["url"]
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=90) as http:
        served = Served(url, http)
        served.prepare(
            ada=["My name is Ada", RICH], back=["Write 'one' to a.txt", "Write 'two' to a.txt"], asks=[TOUCH]
        )
        yield served
    process.terminate()
    process.wait(20)
    process.stdout.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, headless."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine: `make browser`, or install one")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, url: str, **look: Any) -> Iterator[Window]:
    """A window of its own, in which nobody is signed in."""
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | look))
    window = Window(context.new_page(), url)
    window.page.set_default_timeout(20_000)
    window.page.on("console", lambda said: said.type in {"error", "warning"} and window.complaints.append(said.text))
    window.page.on("pageerror", lambda error: window.complaints.append(str(error)))
    window.page.on("request", lambda request: _note_stranger(window, request.url))
    yield window
    context.close()


def _note_stranger(window: Window, url: str) -> None:
    if not url.startswith((window.url, "blob:", "data:")):
        window.complaints.append(f"asked another host: {url}")


@pytest.fixture(scope="module")
def shared_window(browser: Any, served: Served) -> Iterator[Window]:
    """A window that is signed in."""
    with opened(browser, served.url) as window:
        window.sign_in()
        yield window


@pytest.fixture
def window(shared_window: Window) -> Iterator[Window]:
    """The same window; whatever its browser complains of, or asks another host for, fails the test."""
    shared_window.complaints.clear()
    yield shared_window
    assert shared_window.complaints == []
