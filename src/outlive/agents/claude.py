"""Turns on the real Claude Agent SDK and its CLI: the only module that imports the SDK."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import claude_agent_sdk
from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    Message,
    ResultMessage,
    StreamEvent,
    SystemMessage,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    Transport,
    UserMessage,
)

from outlive.agents.isolation import Isolation
from outlive.agents.kept import check_kept
from outlive.agents.models import ModelSettings, model_variables
from outlive.agents.options import CliOptions, arguments, environment
from outlive.agents.outcome import failure, stop_reason, tool_summary
from outlive.agents.profiles import Profiles
from outlive.agents.servers import Server, server_faults
from outlive.agents.start import CONTINUE, Start, prepare, tidy
from outlive.agents.transcript import SYNTHETIC, forget_turn
from outlive.agents.wire import Wire
from outlive.errors import AgentFailed, Conflict, OutliveError
from outlive.protocols import (
    AgentEvent,
    AgentTurn,
    SessionSeen,
    TextPart,
    ToolFinished,
    ToolStarted,
    TurnDone,
    Usage,
)

RESUME_SECONDS = 5.0
"""How long a continued turn may take to go on by itself; a transcript of 50 MB takes about 2 s to load."""


class _WireTransport(Wire, Transport):
    """The wire as the SDK wants it."""


class ClaudeAgent:
    """Implements `protocols.Agent`: one CLI process per turn, below a supervisor, in the session's own tree."""

    def __init__(
        self,
        model: ModelSettings,
        profiles: Profiles,
        *,
        turn_seconds: float = 1800.0,
        options: CliOptions | None = None,
        isolation: Isolation | None = None,
    ) -> None:
        """`turn_seconds` is the wall time after which a turn is ended; `Invalid` when no model can be reached."""
        model_variables(model, os.environ)
        self._model, self._profiles, self._turn_seconds = model, profiles, turn_seconds
        self._options, self._isolation = options or CliOptions(), isolation or Isolation()
        self._runs: dict[Path, _Run | None] = {}
        """Turns by their root; None while one is prepared."""
        self._closed = False

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        if turn.root in self._runs:
            raise Conflict(f"a turn is running in {turn.root} already.", fix="Wait for it, or interrupt it.")
        self._runs[turn.root] = None
        try:
            start = await asyncio.to_thread(lambda: prepare(turn, self._profiles.load(turn.profile)))
            async with aclosing(self._answered(start) if start.done else self._asked(start)) as events:
                async for event in events:
                    yield event
        finally:
            del self._runs[turn.root]

    async def _answered(self, start: Start) -> AsyncGenerator[AgentEvent, None]:
        """The turn had come to its end before: there is nobody to ask."""
        assert start.done is not None  # noqa: S101 - why this was called
        await asyncio.to_thread(tidy, start.turn.root)
        await asyncio.to_thread(forget_turn, start.turn.root)
        yield SessionSeen(start.done.agent_session_id)
        yield start.done

    async def _asked(self, start: Start) -> AsyncGenerator[AgentEvent, None]:
        """Run the CLI to its end."""
        if self._closed:
            raise _closed()
        run = self._runs[start.turn.root] = _Run(start, self._wire(start))
        deadline = asyncio.get_running_loop().call_later(self._seconds(start.turn), self._expire, run)
        try:
            async with aclosing(run.messages()) as messages:
                async for message in messages:
                    for event in run.reader.events(message):
                        yield event
            done = run.reader.done(start)
            await check_kept(start.turn.root, done.agent_session_id, run.reader.last_entry)
            await asyncio.to_thread(forget_turn, start.turn.root)
            yield done
        except OutliveError:
            raise
        except Exception as error:  # the SDK also raises plain Exception
            raise AgentFailed(f"the agent failed: {error}") from error
        finally:
            deadline.cancel()
            await self._end(run)

    async def interrupt(self, root: Path) -> bool:
        run = self._runs.get(root)
        return run is not None and await run.interrupt()

    async def close(self) -> None:
        self._closed = True
        for run in [run for run in self._runs.values() if run]:
            run.wire.fail(_closed())
            await run.wire.close()

    def _seconds(self, turn: AgentTurn) -> float:
        return self._turn_seconds if turn.turn_seconds is None else turn.turn_seconds

    def _expire(self, run: _Run) -> None:
        limit = f"{self._seconds(run.start.turn):g} seconds"
        run.wire.fail(AgentFailed(f"the turn took longer than {limit}.", fix="Ask for less, or raise turn_seconds."))

    async def _end(self, run: _Run) -> None:
        run.wire.abandon()  # before anything is awaited: this may be a cancellation
        try:
            await run.client.disconnect()
        finally:
            await run.wire.close()
            await asyncio.to_thread(tidy, run.start.turn.root)

    def _wire(self, start: Start) -> _WireTransport:
        turn, equipment = start.turn, start.equipment
        options, model = equipment.options(self._options), equipment.model(self._model)
        command = [
            str(find_cli(options.cli_path)),
            *arguments(turn, model, options, prompt_file=equipment.prompt_file),
        ]
        env = environment(turn.root, model, options, inherited=os.environ, is_root=os.geteuid() == 0)
        launch = self._isolation.launch(turn.root, command, {**env, **start.variables})
        return _WireTransport(
            launch.command, cwd=turn.root / "work", env=launch.env, user=launch.user, secrets=launch.secrets
        )


def _closed() -> AgentFailed:
    return AgentFailed("the agent was closed while the turn ran.", fix="The message is tried again.")


def find_cli(given: Path | None) -> Path:
    """The CLI given, or the one that came with the SDK, or the one on the PATH; `AgentFailed` when there is none."""
    bundled = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
    for path in [given] if given else [bundled, Path(shutil.which("claude") or bundled)]:
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise AgentFailed(
        f"there is no program at {given or bundled}.",
        fix="Correct cli_path." if given else "Install the wheel of claude-agent-sdk that carries the CLI.",
    )


class _Run:
    """One turn while its CLI runs."""

    def __init__(self, start: Start, wire: _WireTransport) -> None:
        self.start, self.wire = start, wire
        self.client = ClaudeSDKClient(_sdk_options(start.equipment.skills), transport=wire)
        self.reader = _Reader(start.equipment.profile.servers)
        self._stop_asked = False
        self._asked = False

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Ask, then everything the CLI says until it ends."""
        await self.client.connect()
        self.start.equipment.forget_secrets()
        await self._ask()
        async for message in self.client.receive_messages():
            yield message
            if isinstance(message, ResultMessage):
                await self.wire.end_input()  # more results may come; the CLI ends when it has nothing left to do

    async def interrupt(self) -> bool:
        self._stop_asked = True
        if not self._asked:
            return True
        try:
            await self.client.interrupt()
        except Exception:  # noqa: BLE001 - the SDK raises plain Exception when the turn ends meanwhile
            return False
        return True

    async def _ask(self) -> None:
        if self.start.prompt is not None:
            await self.client.query(self.start.prompt)
        else:
            await self._wait_for_resumption()
        self._asked = True
        if self._stop_asked:
            await self.interrupt()

    async def _wait_for_resumption(self) -> None:
        """The CLI goes on by itself. When it does not, it never says so: then it is told to."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wire.at_work.wait(), RESUME_SECONDS)
        if not self.wire.at_work.is_set():
            await self.client.query(CONTINUE)


def _sdk_options(skills: list[str]) -> ClaudeAgentOptions:
    """What the SDK tells the CLI once it runs; everything else is in its arguments and its environment."""
    return ClaudeAgentOptions(
        system_prompt={"type": "custom", "prompt": "", "snapshot": False},  # a changed prompt reaches live sessions
        skills=skills,  # the profile's; the CLI's own are for programmers at a terminal
        verbatim_prompts=True,  # otherwise "@/any/file" in a message reads the file, and "/clear" forgets the session
        setting_sources=[],
        strict_mcp_config=True,
    )


# ----------------------------------------------------------------------------------------------- reading


@dataclass
class _Reader:
    """Turns the SDK's messages into events, and the results into one end."""

    servers: tuple[Server, ...] = ()
    """Which should have started."""
    notices: tuple[str, ...] = ()
    """What did not go as it should, though the turn went on."""
    session_id: str | None = None
    results: list[ResultMessage] = field(default_factory=list)
    text: str = ""
    """Of the model's latest message."""
    last_entry: str | None = None
    """The transcript's uuid of the model's latest message."""
    streamed: bool = False
    """Whether pieces of the message that comes next have been passed on."""

    def events(self, message: Message) -> Iterator[AgentEvent]:
        """What this message means to whoever watches."""
        yield from self._session(message)
        match message:
            case StreamEvent(
                event={"type": "content_block_delta", "delta": {"text": str(text)}}, parent_tool_use_id=None
            ):
                self.streamed = True
                yield TextPart(text)
            case AssistantMessage():
                yield from self._assistant(message)
            case UserMessage(content=list(blocks)):
                for block in blocks:
                    if isinstance(block, ToolResultBlock):
                        yield ToolFinished(block.tool_use_id, is_error=bool(block.is_error))
            case ResultMessage():
                self.results.append(message)
            case SystemMessage(subtype="init", data={"mcp_servers": list(started)}):
                self.notices = server_faults(started, self.servers)

    def _session(self, message: Message) -> Iterator[SessionSeen]:
        """The id when it is first seen, when it changes, and with every result."""
        data = message.data if isinstance(message, SystemMessage) else {}
        found = data.get("session_id") or getattr(message, "session_id", None)
        if found and (found != self.session_id or isinstance(message, ResultMessage)):
            self.session_id = found
            yield SessionSeen(found)

    def _assistant(self, message: AssistantMessage) -> Iterator[AgentEvent]:
        is_main = message.parent_tool_use_id is None
        if is_main and message.model != SYNTHETIC:
            self.last_entry = message.uuid
        for block in message.content:
            if isinstance(block, TextBlock) and is_main:
                self.text = block.text
                if not self.streamed:
                    yield TextPart(block.text)
            elif isinstance(block, ToolUseBlock):
                yield ToolStarted(block.id, block.name, tool_summary(block.input))
        if is_main:
            self.streamed = False

    def done(self, start: Start) -> TurnDone:
        """The end of the turn; `AgentFailed` when the last result says that there was no whole answer."""
        if not self.results or self.session_id is None:
            raise AgentFailed("the CLI ended without a result.")
        last = self.results[-1]
        reason = stop_reason(last.subtype, last.terminal_reason, last.stop_reason)
        if last.is_error and reason is None:
            raise failure(last.result, last.errors, last.api_error_status)
        texts = [result.result for result in self.results if result.result]
        return TurnDone(
            text=texts[-1] if texts else self.text,
            agent_session_id=self.session_id,
            usage=_usage(self.results, start.usd_before),
            stop_reason=reason or "end_turn",
            is_error=last.is_error and reason != "interrupted",
            prompt_version=start.equipment.profile.digest,
            notices=self.notices,
        )


def _usage(results: list[ResultMessage], usd_before: float) -> Usage:
    """Tokens and model calls are per result; money is the session's total so far, so the part before is taken off."""
    tokens = [result.usage or {} for result in results]
    total = results[-1].total_cost_usd or 0.0
    return Usage(
        usd=total - usd_before if total >= usd_before else total,
        input_tokens=sum(each.get("input_tokens", 0) for each in tokens),
        output_tokens=sum(each.get("output_tokens", 0) for each in tokens),
        cache_read_tokens=sum(each.get("cache_read_input_tokens", 0) for each in tokens),
        cache_write_tokens=sum(each.get("cache_creation_input_tokens", 0) for each in tokens),
        agent_turns=sum(result.num_turns for result in results),
    )
