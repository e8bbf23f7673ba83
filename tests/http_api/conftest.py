"""The HTTP API on stores of its own, with an agent that needs neither model nor CLI and a worker beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from outlive.entrypoints.http_api.app import create_app
from outlive.flows.access.api_keys import create_api_key
from outlive.flows.work_queue import work_queue
from outlive.settings import load_settings
from outlive.testing.instant_agent import InstantAgent
from outlive.wiring import App, open_app

TOKEN = "internal-token-of-these-tests"


@dataclass
class Client:
    """Calls the API with one key."""

    app: App
    http: httpx.AsyncClient

    async def key(self, role: str, tenant: str = "acme") -> dict[str, str]:
        """Headers with a fresh key of that role."""
        _, text = await create_api_key(self.app.engine, tenant, role, name="test", by="test")
        return {"Authorization": f"Bearer {text}"}

    async def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """One request as the internal token, or with the headers given."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Outlive-Tenant": "acme"}
        return await self.http.request(method, path, json=body, headers=options.pop("headers", headers), **options)

    async def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """What a request answers that has to succeed."""
        response = await self(method, path, body, **options)
        assert response.status_code < 300, response.text
        return response.json()

    async def refused(self, status: int, method: str, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        """The error of a request that has to fail so."""
        response = await self(method, path, body, **options)
        assert response.status_code == status, response.text
        return response.json()["error"]

    async def send(self, text: str, session: str = "ada", **headers: str) -> Any:
        """A message and its turn."""
        both = {"Authorization": f"Bearer {TOKEN}", "Outlive-Tenant": "acme"} | headers
        return await self.ok("POST", f"/v1/sessions/{session}/messages", {"text": text}, headers=both)


def events_of(text: str) -> list[tuple[str, str, Any]]:
    """Id, name and data of each event of a stream."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
    return found


@asynccontextmanager
async def served(folder: Path, agent: Any = None, *, workers: int = 1, **settings: Any) -> AsyncIterator[Client]:
    """The API and its workers."""
    given = {"data": folder / "data", "workspaces": folder / "trees", "tenant": "acme"} | settings
    async with open_app(load_settings(**given), agent=agent or InstantAgent()) as app:
        stop = asyncio.Event()
        working = [asyncio.create_task(work_queue(app.engine, stop, wait=0.1)) for _ in range(workers)]
        transport = httpx.ASGITransport(create_app(app, token=TOKEN), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=20) as http:
            yield Client(app, http)
        stop.set()
        await asyncio.gather(*working)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Client]:
    """An API with one worker."""
    async with served(tmp_path) as client:
        yield client
