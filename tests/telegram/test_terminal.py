"""The fake Telegram as a newcomer uses it: typed in one terminal, with the bot in another."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

import pytest


async def started(*words: str, env: dict[str, str]) -> Process:
    """A process whose input and output are ours."""
    return await asyncio.create_subprocess_exec(sys.executable, "-m", *words, env=env, stdin=PIPE, stdout=PIPE)


@pytest.mark.cli
async def test_what_is_typed_is_answered(tmp_path: Path) -> None:
    """The line that is printed is all that the bot needs, and its answer is printed below what was typed."""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OUTLIVE_ISOLATION": "none"}
    telegram = await started("outlive.testing.telegram", env=env)
    assert telegram.stdin is not None
    assert telegram.stdout is not None
    settings = (await telegram.stdout.readline()).decode().removeprefix("export ").split()
    bot = await started("outlive", "telegram", "run", "--json", env=env | dict(word.split("=", 1) for word in settings))
    telegram.stdin.write(b"my name is Ada\n")
    said = await asyncio.wait_for(telegram.stdout.readline(), 60)
    bot.terminate()
    telegram.stdin.close()
    await asyncio.gather(bot.communicate(), telegram.communicate())
    assert said.startswith(b"bot: I am a scripted model")
    assert said.endswith(b"Noted: your name is Ada.\n")


async def test_a_file_may_be_what_is_typed() -> None:
    """With a file, or nothing, as its input the fake begins, reads it and ends, without a word of trouble."""
    command = [sys.executable, "-m", "outlive.testing.telegram"]
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, out.startswith(b"export "), err.count(b"\n")) == (0, True, 1)
