"""The command line in this process, on a data folder of its own, with agents that need neither model nor CLI."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TextIO, TypeVar

import pytest

from outlive.core.keys import SessionId, head_key
from outlive.entrypoints.cli import run_with
from outlive.entrypoints.running import named_session
from outlive.errors import AgentFailed
from outlive.flows.run_turn import Turn
from outlive.flows.turn.take_session import take_session
from outlive.protocols import Absent, Agent, AgentEvent, AgentTurn, Free, SessionSeen, TextPart, ToolStarted, TurnDone
from outlive.settings import load_settings
from outlive.testing.instant_agent import TRANSCRIPTS, InstantAgent
from outlive.wiring import App, open_app

T = TypeVar("T")

FOREIGN = ("OUTLIVE_", "ANTHROPIC_", "BEDROCK_", "CLAUDE_", "AWS_", "XDG_")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> dict[str, str]:
        """The one JSON error on stderr."""
        return json.loads(self.err)["error"]


@dataclass
class Outlive:
    """Runs commands, and turns without a worker."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str, stdin: str = "") -> Done:
        """Run the command line with these words, and a file for stdin."""
        path = self.folder / "stdin"
        path.write_text(stdin)
        with path.open() as file:
            return self.with_stdin(file, *words)

    def with_stdin(self, file: TextIO, *words: str) -> Done:
        """The same with any file, such as a terminal."""
        self.monkeypatch.setattr("sys.stdin", file)
        self.capsys.readouterr()
        code = run_with([*words])
        return Done(code, *self.capsys.readouterr())

    def ok(self, *words: str) -> Any:
        """The JSON document that a command prints which has to succeed."""
        done = self(*words, "--json")
        assert (done.code, done.err) == (0, "")
        return done.json

    def refused(self, code: int, *words: str) -> dict[str, str]:
        """The JSON error of a command that has to fail with this exit code, and print nothing else."""
        done = self(*words, "--json")
        assert (done.code, done.out) == (code, "")
        assert done.error["message"]
        return done.error

    def say(self, *texts: str, key: str = "ada", message_id: str | None = None) -> list[Turn]:
        """Turns of a session, answered at once."""

        async def talk(app: App) -> list[Turn]:
            return [await app.ask(key, text, message_id=message_id) for text in texts]

        return self.inside(talk)

    def inside(self, work: Callable[[App], Awaitable[T]]) -> T:
        """What `work` returns, given the app."""

        async def run() -> T:
            async with open_app(load_settings(), agent=InstantAgent()) as app:
                return await work(app)

        return asyncio.run(run())

    def hold(self, key: str) -> None:
        """Take the session's lease, as a worker that dies then."""

        async def take(app: App) -> None:
            stores, session_id = await named_session(app, key)
            await take_session(app.engine, stores, session_id)

        self.inside(take)

    def break_head(self, key: str) -> None:
        """Make a session whose head cannot be read."""

        async def write(app: App) -> None:
            where = head_key(SessionId(app.engine.new_id()))
            await app.stores.table.write(where, key.encode(), expected=Absent(), lease=Free(), expires_at=None)

        self.inside(write)

    def bury(self, reason: str = "the model is down") -> str:
        """Fail the queue's messages until they are dead letters; the id of the last one."""

        async def fail(app: App) -> str:
            queue = app.engine.queue
            while delivery := await queue.receive(visibility=30, wait=0):
                await queue.give_back(delivery, delay=0, reason=reason)
            return (await queue.dead_letters())[-1].id

        return self.inside(fail)

    def agent(self, agent: Agent | None) -> None:
        """Let this agent run the turns of `worker` and `chat`; None for the real one."""
        for module in ("working", "terminal.chatting"):
            self.monkeypatch.setattr(f"outlive.entrypoints.{module}.open_app", partial(open_app, agent=agent))


NO_REPLIES_LEFT = {"undelivered_sessions": 0, "dead_replies": 0}
"""What `queue depth` says when every reply has gone out."""


@pytest.fixture
def outlive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Outlive:
    """The command, with no setting but its folders, and turns that are answered at once."""
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTLIVE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("OUTLIVE_WORKSPACES", str(tmp_path / "trees"))
    monkeypatch.setenv("OUTLIVE_ISOLATION", "none")  # other users cannot enter the tests' own folder
    command = Outlive(tmp_path, monkeypatch, capsys)
    command.agent(InstantAgent())
    return command


class FailingAgent(InstantAgent):
    """Fails every turn."""

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        """Nothing but an error."""
        raise AgentFailed("the model failed: overloaded", fix="Wait.")
        yield SessionSeen("unreachable")


@dataclass
class StuckAgent(InstantAgent):
    """Works until it is interrupted; then it keeps what it has."""

    started: Callable[[], object] = lambda: None
    """Called when the turn is under way."""
    deaf: bool = False
    """Goes on after an interrupt."""
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        """The message into the transcript, then one tool that never ends."""
        session_id = self.new_uuid()
        yield SessionSeen(session_id)
        self._append(turn.root / TRANSCRIPTS / f"{session_id}.jsonl", [], "user", turn.prompt or "")
        yield TextPart("Working")
        yield ToolStarted("tool_1", "Bash", "sleep forever")
        self.started()
        await self.stopped.wait()
        yield TurnDone("Working", session_id, stop_reason="interrupted")

    async def interrupt(self, root: Path) -> bool:
        """End the tool."""
        if not self.deaf:
            self.stopped.set()
        return True


def stuck(*signals: int, deaf: bool = False) -> StuckAgent:
    """An agent that is stuck, and has its own process sent these signals, one after the other."""

    def send() -> None:
        for number, pause in zip(signals, (0.05, 0.3), strict=False):
            threading.Timer(pause, os.kill, (os.getpid(), number)).start()

    return StuckAgent(started=send, deaf=deaf)
