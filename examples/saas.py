"""A FastAPI product with two customers: each is a tenant, signs in with its own key, and cannot see the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from outlive import App, load_settings, open_app
from outlive.entrypoints.http_api.app import create_app
from outlive.flows.access.api_keys import create_api_key
from outlive.flows.work_queue import work_queue


@asynccontextmanager
async def product(app: App) -> AsyncIterator[FastAPI]:
    """Your application, with the agents' API below `/agents` and one worker that answers."""
    site, stop = FastAPI(), asyncio.Event()

    @site.get("/")
    async def front_page() -> dict[str, str]:
        return {"product": "yours"}

    site.mount("/agents", create_app(app))
    working = asyncio.create_task(work_queue(app.engine, stop, wait=0.1))
    try:
        yield site
    finally:
        stop.set()
        await working


class Customer:
    """What runs in a customer's browser: it has a key, and nothing else."""

    def __init__(self, site: FastAPI, key: str) -> None:
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(site),
            base_url="http://product/agents/v1",
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        )

    async def ask(self, session: str, text: str) -> str:
        """One turn; the reply."""
        answer = await self._http.post(f"/sessions/{session}/messages", json={"text": text})
        return str(answer.raise_for_status().json()["reply"])

    async def look(self, session: str) -> int:
        """The status of asking for a session."""
        return (await self._http.get(f"/sessions/{session}")).status_code

    async def sessions(self) -> list[str]:
        """The keys of all sessions there are, as far as this customer can tell."""
        page = (await self._http.get("/sessions")).raise_for_status().json()
        return [str(session["key"]) for session in page["sessions"]]


async def main() -> None:
    """Two customers talk; each finds its own conversation, and not that of the other."""
    settings = load_settings(data="./saas-data", model="scripted")  # leave out `model` when you have a key
    async with open_app(settings) as app, product(app) as site:
        keys = [
            (await create_api_key(app.engine, name, "operator", name=name, by="setup"))[1] for name in ("acme", "bolt")
        ]
        acme, bolt = (Customer(site, key) for key in keys)
        await acme.ask("ada", "My name is Ada")
        print("acme asks:", await acme.ask("ada", "What is my name?"))
        print("bolt looks for acme's session:", await bolt.look("acme:api:ada:default"))
        print("bolt asks in one of the same name:", await bolt.ask("ada", "What is my name?"))
        print("acme sees:", await acme.sessions())
        print("bolt sees:", await bolt.sessions())


if __name__ == "__main__":
    asyncio.run(main())
