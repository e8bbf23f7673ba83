"""The line to one CLI process: messages out, messages in, and why it ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from outlive.agents.processes import SupervisedProcess
from outlive.errors import AgentFailed, Corrupt, OutliveError

LONGEST_LINE = 64 << 20
"""A line holds one message, a tool's result in it twice, and the API refuses requests above 32 MB: what is longer could
not go on anyway. The SDK's own limit of 1 MiB ends sessions with a large image."""
SHOWN = 300
END_SECONDS = 5.0
"""How long a CLI that takes no more input may take to end."""


class Batch:
    """The tool calls of the model's message that is being read, of the main conversation."""

    def __init__(self) -> None:
        self._calls: set[str] = set()
        self._moved = asyncio.Event()
        self._ended = False

    def note(self, message: dict[str, Any]) -> None:
        """Take in what the CLI says."""
        if message.get("parent_tool_use_id") is not None:
            return
        match message:
            case {"type": "stream_event", "event": {"type": "message_start"}}:
                self._calls, self._ended = set(), False
            case {"type": "stream_event", "event": {"content_block": {"type": "tool_use", "id": str(call)}}}:
                self._calls.add(call)
            case {"type": "stream_event", "event": {"type": "message_stop"}}:
                self._ended = True
                self._moved.set()

    async def is_alone(self, tool_use_id: str, seconds: float) -> bool:
        """Whether this is its message's only call, known once the message has ended; False when that cannot be said."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (self._ended and tool_use_id in self._calls):
                    self._moved.clear()
                    await self._moved.wait()
        return self._ended and self._calls == {tool_use_id}


class Wire:
    """What the SDK asks of a transport, over a supervised process with exactly the given environment."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        user: int | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self._command, self._cwd, self._env, self._user, self._secrets = command, cwd, env, user, secrets
        self._process: SupervisedProcess | None = None
        self._fault: OutliveError | None = None
        self._result: dict[str, Any] | None = None
        self._state: str | None = None
        """What the CLI last said it was: running, idle, waiting for a decision."""
        self._abandoned = False
        self._is_new = True
        self.at_work = asyncio.Event()
        """Set once the CLI works on a turn."""
        self.batch = Batch()
        self.ended = asyncio.Event()
        """Set once the CLI says nothing more."""
        self.input_ended = False

    async def connect(self) -> None:
        """Start the CLI."""
        self._process = await SupervisedProcess.start(
            self._command, cwd=self._cwd, env=self._env, user=self._user, secrets=self._secrets
        )
        if self._fault or self._abandoned:
            self._process.kill()

    def is_ready(self) -> bool:
        """Whether the CLI was started."""
        return self._process is not None

    async def write(self, data: str) -> None:
        """Send one message; a CLI that takes none is reported with why it ended."""
        try:
            await self._started.write(data.encode())
        except AgentFailed:
            with suppress(TimeoutError):
                code = await asyncio.wait_for(self._started.wait(), END_SECONDS)
                self._check_end(code, self._started.last_words)
            raise

    def begin(self) -> None:
        """Another turn comes: what the CLI said about the last one does not count for it."""
        self._result, self._state, self._is_new = None, None, False
        self.at_work.clear()

    @property
    def pid(self) -> int:
        """Of the supervisor; see `SupervisedProcess.pid`."""
        return self._started.pid

    @property
    def at_rest(self) -> bool:
        """Whether the CLI lives, has ended a turn if it was asked for any, and waits for the next."""
        is_over = self._fault is not None or self._abandoned or self.input_ended or self.ended.is_set()
        has_ended = self._result is not None and self._state == "idle"
        return (has_ended or (self._is_new and self.is_ready())) and not is_over

    @property
    def died_unheard(self) -> bool:
        """Whether the CLI has gone, though nobody wanted it to, before it had begun with the turn."""
        is_gone = self.ended.is_set() or self._abandoned
        return is_gone and not self.at_work.is_set() and self._fault is None

    async def end_input(self) -> None:
        """Nothing more will be sent: the CLI finishes what it has, and ends."""
        self.input_ended = True
        await self._started.end_input()

    async def close(self) -> None:
        """End the CLI and everything it started, if that has not happened yet."""
        if self._process is not None:
            await self._process.close()

    def fail(self, fault: OutliveError) -> None:
        """End the CLI at once; whoever reads gets `fault`."""
        self._fault = self._fault or fault
        if self._process is not None:
            self._process.kill()

    def abandon(self) -> None:
        """End the CLI at once; nobody reads any more."""
        self._abandoned = True
        if self._process is not None:
            self._process.kill()

    @property
    def _started(self) -> SupervisedProcess:
        if self._process is None:
            raise AgentFailed("the CLI is not running.")
        return self._process

    # ------------------------------------------------------------------------------------------- reading

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """Messages until the CLI ends; then `AgentFailed` or `Corrupt` unless it ended as it should."""
        try:
            async for line in self._started.lines(LONGEST_LINE):
                message = _message(line)
                if message is not None:
                    self._note(message)
                    yield message
        finally:
            self.ended.set()
        code = await self._started.wait()
        if self._abandoned:
            return
        if self._fault is not None:
            raise self._fault
        self._check_end(code, self._started.last_words)

    def _note(self, message: dict[str, Any]) -> None:
        self.batch.note(message)
        match message:
            case {"type": "result"}:
                self._result = message
            case {"type": "system", "subtype": "session_state_changed", "state": state}:
                message["sdk_host_only"] = False  # the SDK passes it on then, in its place among the messages
                self._state = state
                if state == "running":
                    self.at_work.set()
            case {"type": "assistant"}:
                self.at_work.set()

    def _check_end(self, code: int, last_words: str) -> None:
        """A result of its own says more than an exit code; without one, or killed behind one, the turn is not whole."""
        if "No conversation found" in f"{last_words} {self._result}":
            raise Corrupt("the CLI finds no conversation in the transcript.", fix="Rewind to an older version.")
        if self._result is None:
            raise AgentFailed(f"the CLI ended without a result (exit code {code}). {last_words}".strip())
        if code and not self._result.get("is_error"):
            raise AgentFailed(f"the CLI broke off after its result (exit code {code}). {last_words}".strip())


def _message(line: bytes) -> dict[str, Any] | None:
    """The message in a line; None for a line that is none and does not look like one, which some builds print."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        found = json.loads(line)
    except ValueError as error:
        shown = line[:SHOWN].decode(errors="replace")
        raise AgentFailed(f"the CLI printed what is no message: {shown!r} ({error}).") from error
    return found if isinstance(found, dict) else None
