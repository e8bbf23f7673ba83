"""Two tenants on one machine, the second of them hostile: real stores, real CLI, each isolation mode in turn."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from outlive.agents.isolation import Mode
from outlive.agents.program import find_cli
from outlive.flows.run_turn import Turn
from outlive.settings import load_settings
from outlive.testing.scripted_model import script
from outlive.wiring import App, open_app
from tests.agents.places import others_can_run

SECRET = "the-victims-secret-71"
VICTIM, HOSTILE = "victim:console:v:default", "hostile:console:h:default"


def skip_unless_possible(mode: Mode) -> None:
    """Say why a mode cannot be tried here."""
    if mode == "user" and os.geteuid() != 0:
        pytest.skip("only root can start agents as other users")
    if mode == "user" and not others_can_run(find_cli(None)):
        pytest.skip("the CLI lies in a folder that is closed to other users")
    if mode == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("the package bubblewrap is not installed")


def shell(*commands: str) -> str:
    """A message that has the agent run these shell commands, each whatever becomes of the one before."""
    return script({"tool": "Bash", "input": {"command": "\n".join(commands)}}, {"text": "done"})


class Neighbours:
    """One machine with an open app."""

    def __init__(self, app: App, base: Path) -> None:
        self.app, self.base = app, base
        self.data, self.trees = base / "data", base / "trees"
        self.hostile = HOSTILE
        """The session that attacks."""

    async def ask(self, key: str, text: str) -> Turn:
        """One turn."""
        return await self.app.ask(key, text)

    async def victim(self) -> Path:
        """The root of a session that has a secret in its files and in its conversation."""
        await self.ask(VICTIM, f"Write '{SECRET}' to secret.txt")
        (root,) = [path for path in self.trees.iterdir() if path.is_dir()]
        return root

    async def attack(self, *commands: str, but: Path) -> str:
        """What the hostile agent's shell commands found out: every tree, transcripts included, but the victim's."""
        await self.ask(self.hostile, shell(*commands))
        roots = [path for path in self.trees.iterdir() if path.is_dir() and path != but]
        assert roots
        return "\n".join(everything_in(root) for root in roots)


def everything_in(root: Path) -> str:
    """The content of every file below a folder, links not followed."""
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return "\n".join(path.read_text(errors="replace") for path in files)


@asynccontextmanager
async def neighbours(base: Path, mode: Mode, *, warm_processes: int = 4) -> AsyncIterator[Neighbours]:
    """A machine on which agents are kept apart in this way."""
    skip_unless_possible(mode)
    settings = load_settings(
        data=base / "data",
        workspaces=base / "trees",
        model="scripted",
        isolation=mode,
        warm_processes=warm_processes,
    )
    async with open_app(settings) as app:
        yield Neighbours(app, base)


@asynccontextmanager
async def at_work(machine: Neighbours) -> AsyncIterator[asyncio.Task[Turn]]:
    """A turn of the victim that runs meanwhile."""
    turn = asyncio.create_task(
        machine.ask(
            VICTIM, shell("touch began", "while [ ! -e /nowhere ]; do sleep 0.1; [ $((n=n+1)) -gt 50 ] && break; done")
        )
    )
    try:
        yield turn
    finally:
        await turn
