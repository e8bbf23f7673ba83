"""A conversation at the terminal: lines in, turns out, and what Ctrl-C means."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import TypeVar, cast

from outlive.core.answers import answer_in
from outlive.core.approvals import Approval
from outlive.core.wording import counted
from outlive.entrypoints.exits import INTERRUPTED, OK, exit_code
from outlive.entrypoints.interrupted import interrupted_message
from outlive.entrypoints.sending import elsewhere_hint, session_elsewhere
from outlive.entrypoints.terminal.lines import read_lines
from outlive.entrypoints.terminal.output import local_time
from outlive.entrypoints.terminal.questions import HINT, as_answer, asked_in, left_open
from outlive.entrypoints.terminal.screen import Screen
from outlive.errors import NotFound, OutliveError
from outlive.flows.run_turn import Turn
from outlive.flows.sessions.inspect_session import inspect_session
from outlive.flows.turn.find_session import find_session, start_anew
from outlive.protocols import AgentEvent, TurnDone, Workspace
from outlive.settings import Settings
from outlive.testing.wrappers import wrap
from outlive.wiring import App, open_app

T = TypeVar("T")

HELP = """/new     start a new session; the old one is kept
/stop    interrupt the running turn; Ctrl-C does the same
/status  show the session
/quit    leave; Ctrl-D does the same
A message that starts with a slash is written with two."""
PATIENCE = 60.0
"""Seconds to wait for a session that another worker holds, beyond the time its lease may last."""
SILENCE = 2.0
"""Seconds after which it is said why nothing happens."""


async def converse(settings: Settings, key: str, *, as_json: bool) -> int:
    """Talk until stdin ends; the exit code."""
    screen = Screen(as_json=as_json)
    async with open_app(settings, stand_in=True) as app:
        app.key(key)
        if app.model.provider == "scripted":
            screen.note("The scripted model answers: it is not a language model. Set ANTHROPIC_API_KEY for a real one.")
        chat = Chat(app, key, screen, is_terminal=sys.stdin.isatty())
        Thread(target=read_lines, args=(sys.stdin.fileno(), chat.heard), daemon=True).start()
        return await chat.run()


class Chat:
    """One conversation."""

    def __init__(self, app: App, key: str, screen: Screen, *, is_terminal: bool) -> None:
        """`is_terminal`: somebody types, so `/stop` counts at once, and a failed message is not the end result."""
        engine = replace(app.engine, workspaces=wrap(app.engine.workspaces, "workspaces", self._around))
        self._app, self._key, self._screen, self._is_terminal = replace(app, engine=engine), key, screen, is_terminal
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[str | None] = asyncio.Queue()
        self._turn: asyncio.Task[object] | None = None
        self._root: Path | None = None
        """Of the running turn's tree, once its session is held."""
        self._is_done = False
        """The agent has ended; only the commit is missing."""
        self._question: Approval | None = None
        """What the agent has asked last, if it waits for the answer."""
        self._presses = 0
        self._code = OK
        self._commands: dict[str, Callable[[], Awaitable[None]]] = {
            "/new": self._new,
            "/stop": self._stop,
            "/status": self._status,
            "/help": self._help,
        }

    async def run(self) -> int:
        """Finish what a dead worker left, then answer line after line."""
        with self._signals():
            try:
                await self._finish_interrupted()
                await self._show_left_open()
                await self._show_elsewhere()
                while (line := await self._next_line()) is not None and line not in ("/quit", "/exit"):
                    await self._obey(line)
            except asyncio.CancelledError:
                if self._presses:
                    return INTERRUPTED
                raise
        return OK if self._is_terminal else self._code

    def heard(self, line: str | None) -> None:
        """A line, or None at the end of them; from any thread."""
        self._loop.call_soon_threadsafe(self._hear, line)

    def _hear(self, line: str | None) -> None:
        if self._is_terminal and self._turn and line is not None and line.strip() == "/stop":
            self._loop.create_task(self._stop())
        else:
            self._inbox.put_nowait(line)

    async def _next_line(self) -> str | None:
        if self._is_terminal:
            sys.stderr.write("> ")
            sys.stderr.flush()
        line = await self._inbox.get()
        self._presses = 0
        return line if line is None else line.strip()

    async def _obey(self, line: str) -> None:
        if line.startswith("//"):
            await self._ask(line[1:])
        elif line.startswith("/") and not answer_in(line):
            await self._command(self._commands.get(line, self._unknown))
        elif line:
            await self._ask(as_answer(line, self._question))

    async def _command(self, command: Callable[[], Awaitable[None]]) -> None:
        try:
            await command()
        except OutliveError as error:
            self._failed(error)

    # --------------------------------------------------------------------------------------- turns

    async def _finish_interrupted(self) -> None:
        engine, key = self._app.engine, self._app.key(self._key)
        try:
            left = await interrupted_message(engine, engine.stores(key.tenant), key)
        except OutliveError as error:
            self._failed(error)
            return
        if left is not None:
            self._screen.note(f"The last turn of this session has not ended; finishing it: {left.text}")
            await self._ask(left.text, left.message_id)

    async def _ask(self, text: str, message_id: str | None = None) -> None:
        """One turn; only Ctrl-C for the second time gets out of here early."""
        self._root, self._is_done = None, False
        waiting = self._loop.call_later(SILENCE, self._say_why)
        patience = self._app.settings.lease_seconds + PATIENCE
        asking = self._app.ask(
            self._key,
            text,
            message_id=message_id or self._app.engine.new_id(),
            wait_seconds=patience,
            on_event=self._on_event,
        )
        turn = self._turn = asyncio.ensure_future(asking)
        try:
            self._take(await turn)
        except asyncio.CancelledError:
            if self._presses > 1 or not turn.cancelled():
                raise
            self._screen.note("Stopped before the agent had begun; the message was not answered.")
        except OutliveError as error:
            self._failed(error)
        finally:
            waiting.cancel()
            self._turn, self._presses = None, self._presses if self._presses > 1 else 0

    def _take(self, turn: Turn) -> None:
        self._screen.answered(turn)
        self._question = asked_in(turn.line)
        if self._question:
            self._screen.note(HINT)

    async def _show_left_open(self) -> None:
        try:
            self._question = await left_open(self._app, self._key)
        except OutliveError as error:
            self._failed(error)
        if question := self._question:
            self._screen.note(f"The agent waits for your word on {question.tool}: {question.summary}\n{HINT}")

    async def _show_elsewhere(self) -> None:
        try:
            if elsewhere := await session_elsewhere(self._app, self._key):
                self._screen.note(elsewhere_hint(self._app.key(self._key), elsewhere))
        except OutliveError as error:
            self._failed(error)

    async def _on_event(self, event: AgentEvent) -> None:
        self._is_done = isinstance(event, TurnDone)
        await self._screen.on_event(event)

    def _failed(self, error: OutliveError) -> None:
        self._code = exit_code(error)
        self._screen.failed(error)

    def _say_why(self) -> None:
        if self._turn and self._root is None:
            self._screen.note("Waiting: another worker holds this session.")

    async def _around(self, name: str, _arguments: tuple[object, ...], call: Callable[[], Awaitable[T]], /) -> T:
        """See `testing.wrappers.Around`: the tree that a turn works in is what can be interrupted."""
        result = await call()
        if name == "workspaces.open":
            self._root = cast("Workspace", result).root
        return result

    # ------------------------------------------------------------------------------------ interrupting

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C interrupts the turn; twice, or SIGTERM, ends the conversation in order."""
        talking = asyncio.current_task()

        def leave() -> None:
            self._presses = 2
            if talking is not None:
                talking.cancel()

        def pressed() -> None:
            self._presses += 1
            if self._presses > 1:
                leave()
            elif self._turn:
                self._loop.create_task(self._stop())
            else:
                self._screen.note("\nCtrl-C again, or /quit, to leave.")

        self._loop.add_signal_handler(signal.SIGINT, pressed)
        self._loop.add_signal_handler(signal.SIGTERM, leave)
        try:
            yield
        finally:
            self._loop.remove_signal_handler(signal.SIGINT)
            self._loop.remove_signal_handler(signal.SIGTERM)

    async def _stop(self) -> None:
        """Ask the agent to stop and keep what it has; a turn that has not begun is given up."""
        turn = self._turn
        if turn is None or self._is_done:
            self._screen.note("No turn is running.")
        elif not (self._root and await self._app.engine.agent.interrupt(self._root)) and not self._is_done:
            turn.cancel()

    # ---------------------------------------------------------------------------------------- commands

    async def _new(self) -> None:
        engine, key = self._app.engine, self._app.key(self._key)
        session_id = await start_anew(engine, engine.stores(key.tenant), key, engine.policy.profile)
        self._screen.tell("session", f"This is session {session_id} now.", session_id=session_id)

    async def _status(self) -> None:
        engine, key = self._app.engine, self._app.key(self._key)
        stores = engine.stores(key.tenant)
        try:
            detail = await inspect_session(engine, stores, await find_session(engine, stores, key))
        except NotFound:
            self._screen.tell("status", "There is no session yet: the first message makes it.", session_id=None)
            return
        line = detail.line
        text = (
            f"{key}: session {line.session_id}\n"
            f"{counted(line.turns, 'turn')}, version {line.version}, ${line.usd:.4f}, "
            f"{counted(detail.files, 'file')}, profile {detail.profile}, last turn {local_time(line.updated_at)}"
        )
        self._screen.tell("status", text, session_id=line.session_id, version=line.version, turns=line.turns)

    async def _help(self) -> None:
        self._screen.note(HELP)

    async def _unknown(self) -> None:
        self._screen.note("There is no such command; /help lists them.")
