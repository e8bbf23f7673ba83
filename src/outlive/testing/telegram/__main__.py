"""The fake Telegram in a terminal: what you type is what Ada writes to the bot, and what the bot sends is printed."""

from __future__ import annotations

import argparse
import asyncio
import sys
from threading import Thread

from outlive.testing.telegram.server import FakeTelegram

PERSON = 42
GLANCE = 0.1
"""Seconds between two looks for new messages of the bot."""


async def _shown(telegram: FakeTelegram) -> None:
    """Print each message of the bot once; a growing draft is none."""
    known = 0
    while True:
        texts = telegram.texts(PERSON)
        for text in texts[known:]:
            sys.stdout.write(f"bot: {text}\n")
            sys.stdout.flush()
        known = len(texts)
        await asyncio.sleep(GLANCE)


async def _heard(telegram: FakeTelegram) -> None:
    """Every line of stdin is a message, until its end; stdin may be a terminal, a pipe or a file."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[bytes]()

    def read() -> None:
        with open(0, "rb", buffering=0, closefd=False) as typed:  # unbuffered: nothing is locked when we are stopped
            for line in typed:
                loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, b"")

    Thread(target=read, daemon=True).start()
    while line := await lines.get():
        if text := line.decode(errors="replace").strip():
            telegram.say(text, sender=PERSON)


async def _run() -> None:
    async with FakeTelegram() as telegram:
        telegram.world.person(PERSON, "Ada")
        variables = {
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "OUTLIVE_TELEGRAM_URL": telegram.url,
            "OUTLIVE_TELEGRAM_ALLOW": str(PERSON),
        }
        sys.stderr.write("A fake Telegram, and you are Ada. Start the bot in another terminal with:\n")
        sys.stdout.write("export " + " ".join(f"{name}={value}" for name, value in variables.items()) + "\n")
        sys.stdout.flush()
        showing = asyncio.create_task(_shown(telegram))
        try:
            await _heard(telegram)
        finally:
            showing.cancel()


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m outlive.testing.telegram", description=__doc__).parse_args()
    try:
        asyncio.run(_run())
    except KeyboardInterrupt:
        sys.exit(130)
