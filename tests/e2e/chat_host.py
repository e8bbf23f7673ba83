"""A machine with a data folder, where a channel's processes are started and killed, and its commands are called."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from outlive.entrypoints.cli import run_with
from outlive.testing.scripted_model import script

SLOW = script({"tool": "Bash", "input": {"command": "echo began >> log.txt; sleep 3"}}, {"text": "done **well**"})
FOREVER = script({"tool": "Bash", "input": {"command": "sleep 30"}}, {"text": "slept"})


class ChatHost:
    """Processes and commands with one environment; leases and visibility are short."""

    def __init__(self, base: Path, **env: str) -> None:
        """`env` is what the channel needs."""
        self._runs: list[Process] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OUTLIVE_", "ANTHROPIC_"))}
        self.env = kept | {
            "OUTLIVE_DATA": str(base / "data"),
            "OUTLIVE_WORKSPACES": str(base / "host"),
            "OUTLIVE_LEASE_SECONDS": "3",
            "OUTLIVE_VISIBILITY_SECONDS": "3",
            "OUTLIVE_GRACE_SECONDS": "0.5",
            "OUTLIVE_ISOLATION": "none",
            "OUTLIVE_FLUSH_SECONDS": "0.2",
            **env,
        }
        (base / "host").mkdir(mode=0o700)

    async def start(self, *words: str, until: str = "takes messages") -> tuple[Process, str]:
        """A process that goes on, once it has said so, and the line that it said."""
        command = [sys.executable, "-m", "outlive", *words, "--json"]
        process = await asyncio.create_subprocess_exec(*command, env=self.env, stdout=PIPE)
        self._runs.append(process)
        return process, await self.line(process, until)

    async def line(self, process: Process, words: str) -> str:
        """The next line of a process that has these words."""
        assert process.stdout is not None
        while words not in (line := (await asyncio.wait_for(process.stdout.readline(), 60)).decode()):
            assert line, process.returncode
        return line

    async def run(self, *words: str) -> dict[str, Any]:
        """A command that has to succeed; its JSON."""
        code, out, err = await self._called(*words)
        assert code == 0, err
        return json.loads(out)

    async def refused(self, *words: str) -> tuple[int, dict[str, str]]:
        """A command that has to fail: its exit code and error."""
        code, _, err = await self._called(*words)
        return code, json.loads(err.splitlines()[-1])["error"]

    async def _called(self, *words: str) -> tuple[int, str, str]:
        """In this process: a command of its own costs a second to start."""
        out, err = StringIO(), StringIO()
        with patch.dict(os.environ, self.env, clear=True), redirect_stdout(out), redirect_stderr(err):
            code = await asyncio.to_thread(run_with, [*words, "--json"])
        return code, out.getvalue(), err.getvalue()

    async def close(self) -> None:
        """End what is left."""
        for process in self._runs:
            if process.returncode is None:
                process.kill()
            await process.communicate()
