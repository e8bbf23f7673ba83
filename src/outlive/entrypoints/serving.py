"""The HTTP API as a process: opened, announced, served with its own workers until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from socket import AF_INET, AF_INET6, create_server, socket

import uvicorn
from fastapi import FastAPI

from outlive.core.wording import counted
from outlive.entrypoints.http_api.app import create_app
from outlive.entrypoints.measuring import measured
from outlive.entrypoints.terminal.output import print_json, say
from outlive.entrypoints.working import settle_in, stopped_by_signals
from outlive.errors import Invalid
from outlive.flows.access.api_keys import list_api_keys
from outlive.flows.delivery.tend import tended
from outlive.flows.work_queue import work_queue
from outlive.settings import Settings
from outlive.wiring import App, open_app, open_at_rest

LOOPBACK = ("127.0.0.1", "::1", "localhost")
CLOSE_SECONDS = 5.0
"""How long requests may go on once the server is told to stop; streams end at once."""


class Server(uvicorn.Server):
    """A server whose signals are ours: they stop its workers, too."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


def run_server(settings: Settings, *, as_json: bool) -> None:
    """Serve until SIGTERM or SIGINT; a second one raises `KeyboardInterrupt`."""
    try:
        asyncio.run(_run(settings, as_json=as_json))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _run(settings: Settings, *, as_json: bool) -> None:
    opened = open_app(settings, stand_in=True) if settings.http_workers else open_at_rest(settings)
    with _listening(settings.http_host, settings.http_port) as listening:
        async with opened as app:
            token, is_new = await _token(app)
            served = create_app(app, token=token)
            _announce(app, listening, token if is_new else None, as_json=as_json)
            stop = asyncio.Event()
            with stopped_by_signals(stop):
                settle_in()
                async with measured(app), _working(app, stop):
                    await _serve(served, listening, stop)
    _tell("stopped", "Stopped.", as_json=as_json)


@asynccontextmanager
async def _working(app: App, stop: asyncio.Event) -> AsyncIterator[None]:
    """Workers in this process, and the round that fires schedules and tries replies again."""
    workers = [asyncio.create_task(work_queue(app.engine, stop)) for _ in range(app.settings.http_workers)]
    try:
        async with tended(app.beside, lambda fault: say(f"Will be tried again: {fault}")):
            yield
            await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def _serve(served: FastAPI, listening: socket, stop: asyncio.Event) -> None:
    """Answer requests until told to stop; then streams end, and what runs is finished."""
    config = uvicorn.Config(
        served, log_level="warning", access_log=False, ws="none", lifespan="off",
        timeout_graceful_shutdown=int(CLOSE_SECONDS), server_header=False,
    )  # fmt: skip
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    served.state.api.closing.set()
    server.should_exit = True
    await serving


async def _token(app: App) -> tuple[str | None, bool]:
    """The internal token; a new one for this process where nobody could sign in otherwise, and nobody else can come."""
    given = app.settings.client_auth_token
    if given is not None:
        return given.get_secret_value(), False
    if await list_api_keys(app.beside):
        return None, False
    if app.settings.http_host not in LOOPBACK:
        raise Invalid(
            "nobody could sign in: there is no API key.",
            fix="Run `outlive tokens create NAME --role admin`, or set SDK_CLIENT_AUTH_TOKEN.",
        )
    return secrets.token_hex(32), True


def _listening(host: str, port: int) -> socket:
    try:
        return create_server((host, port), family=AF_INET6 if ":" in host else AF_INET)
    except OSError as error:
        raise Invalid(
            f"nobody can listen on {host}:{port}: {error.strerror or error}.", fix="Choose another --port or --host."
        ) from error


def _announce(app: App, listening: socket, token: str | None, *, as_json: bool) -> None:
    host, port = listening.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if app.model.provider == "scripted" and app.settings.http_workers and not as_json:
        say("The scripted model answers: it is not a language model.")
    told = f"Serving {url} with {counted(app.settings.http_workers, 'worker')}; Ctrl-C stops it."
    if token:
        told += f"\nThere is no API key yet. Until this stops, sign in with: {token}\nor open {url}/#sign-in={token}"
    _tell("listening", told, as_json=as_json, url=url, token=token)


def _tell(what: str, text: str, *, as_json: bool, **fields: object) -> None:
    if as_json:
        print_json({"event": what} | fields)
    else:
        say(text)
