"""`outlive telegram run`: long polling, commands and workers in one process on the stores of the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from outlive.channels.telegram.commands import menu
from outlive.channels.telegram.polling import Poller
from outlive.entrypoints.measuring import measured
from outlive.entrypoints.telegram.controls import Controls
from outlive.entrypoints.telegram.intake import Intake
from outlive.entrypoints.telegram.opening import Bot, open_bot
from outlive.entrypoints.terminal.output import print_json, say
from outlive.entrypoints.together import together
from outlive.entrypoints.watching import TurnWatch
from outlive.entrypoints.working import settle_in, stopped_by_signals
from outlive.errors import Invalid
from outlive.flows.delivery.remember_intake import read_mark, write_mark
from outlive.flows.delivery.tend import tended
from outlive.flows.work_queue import work_queue
from outlive.settings import Settings
from outlive.wiring import open_app

WORKERS = 4


def run_bot(settings: Settings, *, workers: int, as_json: bool) -> None:
    """Serve the bot until told to stop; a second signal raises `KeyboardInterrupt`."""
    try:
        asyncio.run(_serve(settings, workers=workers, as_json=as_json))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _serve(settings: Settings, *, workers: int, as_json: bool) -> None:
    def tell(text: str) -> None:
        if as_json:
            print_json({"event": "line", "text": text})
        else:
            say(text)

    async with open_app(settings, stand_in=True) as app:
        bot = await open_bot(app)
        await _check_webhook(bot)
        await bot.channel.bot.call("setMyCommands", {"commands": menu()})
        if app.model.provider == "scripted":
            tell("The scripted model answers: it is not a language model.")
        tell(f"@{bot.rules.username} takes messages; Ctrl-C stops it.")
        stop = asyncio.Event()
        with stopped_by_signals(stop):
            settle_in()
            async with measured(app):
                await _run(bot, stop, workers, tell)


async def _check_webhook(bot: Bot) -> None:
    if url := (await bot.channel.bot.call("getWebhookInfo")).get("url"):
        raise Invalid(
            f"the bot has a webhook ({url}), and then Telegram lets nobody poll.",
            fix="Run `outlive telegram webhook delete`, or serve the webhook instead.",
        )


async def _run(bot: Bot, stop: asyncio.Event, workers: int, tell: Callable[[str], None]) -> None:
    engine, stores = bot.app.engine, bot.app.stores
    intake = Intake(bot, Controls(bot), tell)
    source = f"telegram:{bot.rules.bot_id}"
    poller = Poller(
        bot.channel.bot,
        engine.clock,
        intake.take,
        lambda number: write_mark(engine, stores, source, number),
        tell,
        last=await read_mark(engine, stores, source),
    )
    watches = [TurnWatch(bot.app.engine.channels, tell) for _ in range(workers)]
    loops = [
        work_queue(watch.around(engine), stop, on_event=watch.on_event, on_outcome=watch.on_outcome)
        for watch in watches
    ]
    async with tended(bot.app.beside, tell):
        await together(stop, [poller.run(stop), *loops])
