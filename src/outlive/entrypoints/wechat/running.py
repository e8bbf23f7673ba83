"""`outlive wechat run`: the webhook, commands and workers in one process on the stores of the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import socket

import uvicorn
from starlette.applications import Starlette

from outlive.channels.wechat.rules import ACCOUNT, BOT
from outlive.core.messages import Inbound
from outlive.entrypoints.mcp_server.http import listen, parse_address
from outlive.entrypoints.measuring import measured
from outlive.entrypoints.terminal.output import print_json, say
from outlive.entrypoints.together import together
from outlive.entrypoints.wechat.intake import Intake
from outlive.entrypoints.wechat.opening import Desk, open_desk
from outlive.entrypoints.wechat.serving import ACCOUNT_PATH, BOT_PATH, Webhook
from outlive.entrypoints.working import settle_in, stopped_by_signals
from outlive.errors import Invalid, NotFound, OutliveError
from outlive.flows.delivery.pair_sender import Pairing, approve_pairing
from outlive.flows.delivery.tend import tended
from outlive.flows.run_turn import Turn
from outlive.flows.work_queue import Outcome, work_queue
from outlive.settings import Settings
from outlive.wiring import App, open_app

SHUTDOWN_SECONDS = 10


def run_webhook(settings: Settings, address: str, *, workers: int, as_json: bool) -> None:
    """Serve until told to stop; a second signal raises `KeyboardInterrupt`."""
    try:
        asyncio.run(_serve(settings, address, workers=workers, as_json=as_json))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def pair(app: App, code: str, *, owner: bool = False) -> Pairing:
    """Let in whoever has the code, at the account or at the bot."""
    for channel in (ACCOUNT, BOT):
        try:
            return await approve_pairing(app.engine, app.stores, channel, code, is_owner=owner)
        except NotFound:
            continue
    raise NotFound(f"nobody waits with code {code!r}.", fix="Codes count for an hour; a new message gets a new one.")


@dataclass(frozen=True, slots=True)
class _Teller:
    as_json: bool

    def __call__(self, text: str) -> None:
        if self.as_json:
            print_json({"event": "line", "text": text})
        else:
            say(text)

    async def on_outcome(self, inbound: Inbound, outcome: Outcome) -> None:
        """One line per turn."""
        match outcome:
            case Turn():
                self(f"{inbound.key}  turn {outcome.line.turn}")
            case OutliveError():
                self(f"{inbound.key}  failed: {outcome}")


async def _serve(settings: Settings, address: str, *, workers: int, as_json: bool) -> None:
    tell = _Teller(as_json)
    host, port = parse_address(address)
    async with open_app(settings, stand_in=True) as app:
        desk = open_desk(app)
        if app.model.provider == "scripted" and workers:
            tell("The scripted model answers: it is not a language model.")
        with listen(host, port) as listening:
            _announce(tell, desk, host, listening.getsockname()[1])
            stop = asyncio.Event()
            with stopped_by_signals(stop):
                settle_in()
                async with measured(app):
                    await _run(desk, stop, listening, workers, tell)


def _announce(tell: Callable[[str], None], desk: Desk, host: str, port: int) -> None:
    where = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    for path, door in ((ACCOUNT_PATH, desk.account), (BOT_PATH, desk.bot)):
        if door:
            tell(f"{where}{path} takes messages; Ctrl-C stops it.")


async def _run(desk: Desk, stop: asyncio.Event, listening: socket, workers: int, tell: _Teller) -> None:
    engine = desk.app.engine
    server = Webhook(Intake(desk, tell), waits=workers > 0).application()
    loops = [work_queue(engine, stop, on_outcome=tell.on_outcome) for _ in range(workers)]
    async with tended(desk.app.beside, tell):
        await together(stop, [_http(server, listening, stop), *loops])


class _Server(uvicorn.Server):
    """A server that leaves the signals to the process it is one part of."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


async def _http(app: Starlette, listening: socket, stop: asyncio.Event) -> None:
    """Answer requests until told to stop; those that run are finished. Signals are the caller's."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        ws="none",
        lifespan="off",
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving
    if not stop.is_set():
        raise Invalid("the web server has ended by itself.", fix="See its log above.")
