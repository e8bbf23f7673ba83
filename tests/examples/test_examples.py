"""Each example as a person runs it: a process of its own, in an empty folder, without any key."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from pathlib import Path

import pytest

from outlive.testing.telegram import FakeTelegram
from scripts.docs.pages import fences_of

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PAGE = ROOT / "docs" / "examples.md"
PEERS = ROOT / ".venv-bench" / "bin" / "python"
SECONDS = 240
pytestmark = pytest.mark.timeout(300)


def environment(folder: Path) -> dict[str, str]:
    """A shell without keys and settings; the commands of this environment are found, as after an installation."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8", "OUTLIVE_ISOLATION": "none"}


async def start(name: str, folder: Path, more: Mapping[str, str] | None = None, *, python: Path | None = None):
    """An example that runs."""
    variables = environment(folder) | dict(more or {})
    command = [python or sys.executable, EXAMPLES / name]
    return await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=variables, stdout=PIPE, stderr=PIPE, start_new_session=True
    )


async def printed(name: str, folder: Path, *, python: Path | None = None) -> str:
    """What an example prints; it has to succeed."""
    process = await start(name, folder, python=python)
    try:
        out, err = await asyncio.wait_for(process.communicate(), SECONDS)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, err.decode()
    return out.decode()


def shown(name: str) -> str:
    """The output that the page shows below `$ python examples/NAME`."""
    first = f"$ python examples/{name}\n"
    (block,) = (fence.code for fence in fences_of(PAGE.read_text()) if fence.code.startswith(first))
    return block.removeprefix(first)


@pytest.mark.cli
@pytest.mark.parametrize("name", ["saas.py", "session_store.py"])
async def test_an_example_prints_what_its_page_shows(name: str, tmp_path: Path) -> None:
    """The output of the example is the one on the page, to the byte."""
    assert await printed(name, tmp_path) == shown(name)


@pytest.mark.skipif(not PEERS.exists(), reason="needs openai-agents, which `make bench` installs into .venv-bench")
async def test_another_framework_keeps_its_memory(tmp_path: Path) -> None:
    """An agent of the OpenAI Agents SDK finds in its second run what the first was told."""
    assert await printed("mcp_memory.py", tmp_path, python=PEERS) == shown("mcp_memory.py")


@pytest.mark.cli
async def test_a_long_task_moves_between_workers(tmp_path: Path) -> None:
    """Workers whose time is up hand the turn over, and every step of it is done once."""
    lines = (await printed("moving_worker.py", tmp_path)).splitlines()
    assert sum("handed over" in line for line in lines) >= 2
    done = next(index for index, line in enumerate(lines) if ": done: The function" in line)
    assert lines[done + 1] == "task job-7: done"
    assert lines[done + 2].endswith("Bash returned: write")
    assert lines[done + 3 :] == ["install", "check", "passed"]


@pytest.mark.cli
async def test_the_bot_of_twenty_lines_remembers(tmp_path: Path) -> None:
    """It answers, is killed, is started again and knows what it was told; its prompt is its own."""
    async with FakeTelegram() as telegram:
        telegram.world.person(42, "Ada")
        variables = {
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "OUTLIVE_TELEGRAM_URL": telegram.url,
            "OUTLIVE_TELEGRAM_ALLOW": "42",
        }
        for text, answer in (("my name is Ada", "your name is Ada."), ("what is my name?", "Ada, 1 turn ago.")):
            process = await start("telegram_bot.py", tmp_path, variables)
            telegram.say(text)
            try:
                await telegram.until(lambda answer=answer: any(answer in each for each in telegram.texts()), SECONDS)
            finally:
                os.killpg(process.pid, signal.SIGKILL)
                await process.communicate()
    assert (tmp_path / "my-bot" / "profiles" / "lists" / "system_prompt.md").is_file()


def test_the_bot_has_twenty_lines() -> None:
    """What the page calls twenty lines is at most that, empty ones left out."""
    lines = (EXAMPLES / "telegram_bot.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 20
