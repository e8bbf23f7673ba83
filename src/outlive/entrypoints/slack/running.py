"""`outlive slack run` and `outlive slack serve`: intake, commands and workers in one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from outlive.channels.slack.socket_mode import SocketReader
from outlive.channels.slack.webhook import check_secret
from outlive.entrypoints.mcp_server.http import listen, parse_address
from outlive.entrypoints.measuring import measured
from outlive.entrypoints.slack.controls import Controls
from outlive.entrypoints.slack.intake import Intake
from outlive.entrypoints.slack.opening import Bot, open_bot
from outlive.entrypoints.slack.serving import Endpoint, serve
from outlive.entrypoints.terminal.output import print_json, say
from outlive.entrypoints.watching import TurnWatch
from outlive.entrypoints.working import settle_in, stopped_by_signals
from outlive.flows.delivery.tend import tended
from outlive.flows.work_queue import work_queue
from outlive.settings import Settings
from outlive.wiring import open_app, open_at_rest

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Output:
    """Lines for whoever watches: JSON on stdout, or text on stderr."""

    as_json: bool

    def __call__(self, text: str) -> None:
        """One line."""
        if self.as_json:
            print_json({"event": "line", "text": text})
        else:
            say(text)


def run_socket(settings: Settings, *, workers: int, as_json: bool) -> None:
    """Serve the app over Socket Mode until told to stop; a second signal raises `KeyboardInterrupt`."""
    _until_stopped(_socket(settings, workers, Output(as_json)))


def run_endpoint(settings: Settings, address: str, *, workers: int, as_json: bool) -> None:
    """Serve the app's public address until told to stop; a second signal raises `KeyboardInterrupt`."""
    _until_stopped(_endpoint(settings, address, workers, Output(as_json)))


def _until_stopped(running: Coroutine[None, None, None]) -> None:
    try:
        asyncio.run(running)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _socket(settings: Settings, workers: int, tell: Output) -> None:
    async with _opened(settings, workers, tell, stand_in=True) as (bot, intake, stop):
        reader = SocketReader(bot.channel.client, bot.app.engine.clock, bot.rules, intake.take, tell)
        await _together(
            stop, [reader.run(stop), _greeted(bot, reader, stop, tell), *_workers(bot, stop, workers, tell)]
        )


async def _greeted(bot: Bot, reader: SocketReader, stop: asyncio.Event, tell: Tell) -> None:
    """Say when messages are taken: with the first connection."""
    waits = [asyncio.create_task(reader.connected.wait()), asyncio.create_task(stop.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if reader.connected.is_set():
        tell(f"{bot.name} takes messages; Ctrl-C stops it.")


async def _endpoint(settings: Settings, address: str, workers: int, tell: Output) -> None:
    host, port = parse_address(address)
    given = settings.slack_signing_secret
    secret = check_secret(given.get_secret_value() if given else "")
    async with _opened(settings, workers, tell, stand_in=False) as (bot, intake, stop):
        with listen(host, port) as listening:
            tell(f"{bot.name} takes messages at http://{host}:{listening.getsockname()[1]}; Ctrl-C stops it.")
            endpoint = Endpoint(intake.take, bot.rules, secret, bot.app.engine.clock, tell)
            serving = serve(endpoint, listening, stop)
            await _together(stop, [serving, *_workers(bot, stop, workers, tell)])


@asynccontextmanager
async def _opened(
    settings: Settings, workers: int, tell: Tell, *, stand_in: bool
) -> AsyncIterator[tuple[Bot, Intake, asyncio.Event]]:
    """The app, its intake, and the event that ends them; without workers no model is needed."""
    opening = open_app(settings, stand_in=stand_in) if workers else open_at_rest(settings)
    async with opening as app:
        bot = await open_bot(app)
        if workers and app.model.provider == "scripted":
            tell("The scripted model answers: it is not a language model.")
        intake, stop = Intake(bot, Controls(bot), tell), asyncio.Event()
        with stopped_by_signals(stop):
            settle_in()
            async with measured(app):
                yield bot, intake, stop
        await intake.close()


def _workers(bot: Bot, stop: asyncio.Event, workers: int, tell: Tell) -> list[Coroutine[None, None, None]]:
    watches = [TurnWatch(bot.app.engine.channels, tell) for _ in range(workers)]
    engine = bot.app.engine
    loops = [
        work_queue(watch.around(engine), stop, on_event=watch.on_event, on_outcome=watch.on_outcome)
        for watch in watches
    ]
    return [*loops, _tend(bot, stop, tell)] if workers else []


async def _tend(bot: Bot, stop: asyncio.Event, tell: Tell) -> None:
    """Replies are tried again and schedules fire while the app runs."""
    async with tended(bot.app.beside, lambda fault: tell(f"Will be tried again: {fault}")):
        await stop.wait()


async def _together(stop: asyncio.Event, loops: Sequence[Coroutine[None, None, None]]) -> None:
    """Run them until all end; the first that fails stops the others in order, and its error is raised."""
    tasks = [asyncio.ensure_future(loop) for loop in loops]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        stop.set()
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
    for task in tasks:
        task.result()
