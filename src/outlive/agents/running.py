"""One live CLI, and one turn on it: asked, heard to its end, at rest afterwards or gone."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Sized
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from outlive.agents.approval_gate import Handover
from outlive.agents.deferred_calls import WaitingCall
from outlive.agents.own_servers import OwnServers
from outlive.agents.process_tree import below, newcomers
from outlive.agents.start import CONTINUE, Start, tidy
from outlive.agents.warm import Home
from outlive.agents.wire import Wire
from outlive.errors import AgentFailed
from outlive.protocols import TurnDone

RESUME_SECONDS = 5.0
"""How long a continued turn may take to go on by itself; a transcript of 50 MB takes about 2 s to load."""
TAKE_UP_SECONDS = 60.0
"""How long the CLI may take until it makes a call that was allowed."""
REST_SECONDS = 2.0
"""How long a CLI that has given a result may take to say that it rests; it does at once when nothing goes on."""
LEAVING_SECONDS = 0.5
"""How long a tool that was told to stop may take to be gone."""
RESTS_AFTER = {"end_turn", "stop_sequence", "max_tokens", "max_turns", "interrupted"}
"""Ends after which the CLI only waits for the next prompt."""
PLACES = ("tmp", "home")
OWN = ("claude-", "cc-socks")
"""What the CLI itself keeps in its temporary folder."""


class Client(Protocol):
    """What a turn needs of the SDK's client."""

    async def connect(self) -> None: ...
    async def query(self, prompt: str) -> None: ...
    async def interrupt(self) -> None: ...
    async def disconnect(self) -> None: ...
    def receive_messages(self) -> AsyncIterator[Any]: ...


class Heard(Protocol):
    """What has been heard of a turn so far."""

    @property
    def results(self) -> Sized: ...
    @property
    def state(self) -> str | None:
        """What the CLI last said it was."""
        ...


class Cli:
    """A live CLI, for as long as it lives. Implements `warm.Resting`."""

    def __init__(
        self,
        start: Start,
        wire: Wire,
        client: Client,
        recipe: Hashable,
        home: Home | None,
        servers: OwnServers,
    ) -> None:
        """`start` is what it begins with; with `home` it may stay behind a turn, and its tree is ours until it goes."""
        self.start, self.wire, self.client = start, wire, client
        self.servers = servers
        self._recipe = recipe
        self._conversation: str | None = None
        self.usd = start.usd_before
        """What the CLI says the conversation has cost so far."""
        self._root, self._home = start.turn.root, home
        self._messages: AsyncIterator[Any] | None = None
        self._helpers: frozenset[int] | None = None
        self._furniture: frozenset[Path] = frozenset()

    @property
    def pid(self) -> int:
        return self.wire.pid

    @property
    def at_rest(self) -> bool:
        return self.wire.at_rest and self.servers.are_there

    @property
    def recipe(self) -> Hashable:
        return self._recipe, self._conversation

    def remember(self, agent_session_id: str, usd: float) -> None:
        """What the next turn must know of this one."""
        self._conversation, self.usd = agent_session_id, usd

    @property
    def may_stay(self) -> bool:
        """Not with a limit of money: the CLI counts it from its own start, not from the prompt.

        Nor with a call that was allowed, which is this turn's alone, nor with a log, which is stored turn by turn.
        """
        turn = self.start.turn
        is_plain = turn.max_usd is None and turn.debug_file is None and self.start.allowed is None
        return self._helpers is not None and is_plain

    async def messages(self) -> AsyncIterator[Any]:
        """Everything it says, from turn to turn; starts it when it does not run yet."""
        if self._messages is None:
            await self.client.connect()
            self.start.equipment.forget_secrets()
            self._messages = self.client.receive_messages()
            if self._home is not None and self._home.pin(self._root):
                await asyncio.to_thread(self._look_around)
        return self._messages

    def _look_around(self) -> None:
        """What there is before the first prompt belongs to the CLI: its helpers, and their files."""
        self._helpers = frozenset(each.pid for each in below(self.pid))
        self._furniture = frozenset(self._entries())

    def _entries(self) -> list[Path]:
        return [path for place in PLACES for path in (self._root / place).iterdir()]

    async def settle(self) -> bool:
        """Clear away what the turn has left in `tmp` and `home`; False when something of it still runs."""
        if not self.may_stay or not self.at_rest:
            return False
        deadline = asyncio.get_running_loop().time() + LEAVING_SECONDS
        while await asyncio.to_thread(newcomers, self.pid, self._helpers or ()):
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(LEAVING_SECONDS / 20)
        await asyncio.to_thread(self._clear)
        return self.at_rest

    def _clear(self) -> None:
        for path in set(self._entries()) - self._furniture:
            if not (path.parent.name == "tmp" and path.name.startswith(OWN)):
                _remove(path)

    async def ended(self) -> None:
        await self.wire.ended.wait()

    async def close(self) -> None:
        self.wire.abandon()  # before anything is awaited: this may be a cancellation
        try:
            await self.client.disconnect()
        finally:
            await self.wire.close()
            try:
                await asyncio.to_thread(tidy, self._root)
            finally:
                if self._home is not None:
                    await asyncio.to_thread(self._home.unpin, self._root)


def _remove(path: Path) -> None:
    """What cannot be removed now goes when the process does."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            os.unlink(path)


H = TypeVar("H", bound=Heard)


class Run(Generic[H]):
    """One turn while its CLI runs."""

    def __init__(self, start: Start, cli: Cli, heard: H) -> None:
        """`heard` takes in each message before the next one is asked for."""
        self.start, self.cli, self.heard = start, cli, heard
        cli.servers.use(start.turn)
        self._stop_asked = False
        self._asked = False
        self._steered = False
        """It was given more than its first message: it goes on to its own end, and never rests."""

    async def messages(self) -> AsyncGenerator[Any, None]:
        """Ask, then everything the CLI says until it rests, or ends."""
        self.cli.wire.begin()
        messages = await self.cli.messages()
        await self._ask()
        ending: asyncio.Task[None] | None = None
        try:
            async for message in messages:
                yield message
                if not self.heard.results:
                    continue
                if self._may_stay and self.heard.state == "idle":
                    return
                if ending is None:  # more results may come; the CLI ends when it has nothing left to do
                    ending = asyncio.create_task(self._end_input())
        finally:
            if ending is not None:
                ending.cancel()

    @property
    def _may_stay(self) -> bool:
        return self.cli.may_stay and not self._steered

    async def _end_input(self) -> None:
        if self._may_stay:
            await asyncio.sleep(REST_SECONDS)
        await self.cli.wire.end_input()

    async def rests(self, done: TurnDone) -> bool:
        """Whether nothing of the turn goes on, in the CLI or beside it: then it can serve another one."""
        is_whole = done.stop_reason in RESTS_AFTER and (done.stop_reason == "interrupted") == self._stop_asked
        return is_whole and not self._steered and await self.cli.settle()

    async def interrupt(self) -> bool:
        """Ask the CLI to stop; a stop that comes early waits until there is something to be stopped."""
        self._stop_asked = True
        if not self._asked:
            return True
        try:
            await self.cli.client.interrupt()
        except Exception:  # noqa: BLE001 - the SDK raises plain Exception when the turn ends meanwhile
            return False
        return True

    async def steer(self, text: str) -> bool:
        """Give the CLI a further message; until its input is closed, it answers all of them before it ends."""
        if not self._asked or self._stop_asked or self.heard.results:
            return False
        self._steered = True
        try:
            await self.cli.client.query(text)
        except Exception:  # noqa: BLE001 - the SDK raises plain Exception when the CLI ends meanwhile
            return False
        return True

    async def _ask(self) -> None:
        if self.start.allowed is not None:
            await self._make_the_call(self.start.allowed)
        elif self.start.prompt is not None:
            await self.cli.client.query(self.start.prompt)
        else:
            await self._wait_for_resumption()
        self._asked = True
        if self._stop_asked:
            await self.interrupt()

    async def _make_the_call(self, call: WaitingCall) -> None:
        """The CLI makes it by itself, once it is let go."""
        if not await Handover(call, self.start.turn.root / "tmp").let_go(TAKE_UP_SECONDS):
            raise AgentFailed("the CLI did not take up the call that was allowed.")

    async def _wait_for_resumption(self) -> None:
        """The CLI goes on by itself. When it does not, it never says so: then it is told to."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.cli.wire.at_work.wait(), RESUME_SECONDS)
        if not self.cli.wire.at_work.is_set():
            await self.cli.client.query(CONTINUE)
