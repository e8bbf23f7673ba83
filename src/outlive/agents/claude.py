"""Turns on the real Claude Agent SDK and its CLI: the only module that imports the SDK."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Hashable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    HookCallback,
    HookMatcher,
    McpSdkServerConfig,
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

from outlive.agents.approval_gate import Gate, Handover
from outlive.agents.approval_rules import parse_rules
from outlive.agents.isolation import Isolation
from outlive.agents.kept import check_kept
from outlive.agents.memory_note import with_memory
from outlive.agents.models import ModelSettings, model_variables
from outlive.agents.options import CliOptions, arguments, environment
from outlive.agents.outcome import failure, stop_reason, tool_summary, usage_of
from outlive.agents.own_servers import OwnServers, connections
from outlive.agents.profiles import Profile, Profiles
from outlive.agents.program import find_cli
from outlive.agents.running import Cli, Run
from outlive.agents.servers import Server, server_faults
from outlive.agents.session_tools import with_own_tools
from outlive.agents.spares import Spares
from outlive.agents.start import Start, prepare, prepare_again, prepare_ahead, tidy, with_question
from outlive.agents.transcript import SYNTHETIC, forget_turn
from outlive.agents.warm import WarmProcesses
from outlive.agents.wire import Wire
from outlive.core.approvals import TOOL_DEFERRED
from outlive.errors import AgentFailed, Conflict, OutliveError
from outlive.protocols import (
    AgentEvent,
    AgentTurn,
    SessionSeen,
    TextPart,
    ToolFinished,
    ToolStarted,
    TurnDone,
)

GATE_SECONDS = 3600.0
"""How long the CLI waits for the gate's word on a call: without one it would make it."""


class _WireTransport(Wire, Transport):
    """The wire as the SDK wants it."""


class ClaudeAgent:
    """Implements `protocols.Agent`: one CLI process per session, below a supervisor, in the session's own tree."""

    def __init__(
        self,
        model: ModelSettings,
        profiles: Profiles,
        *,
        turn_seconds: float = 1800.0,
        options: CliOptions | None = None,
        isolation: Isolation | None = None,
        warm: WarmProcesses[Cli] | None = None,
        spares: Spares[Any, Cli] | None = None,
    ) -> None:
        """A turn ends after `turn_seconds`; a CLI may stay, or be started ahead. `Invalid` for a broken rule."""
        model_variables(model, os.environ)
        self._model, self._profiles, self._turn_seconds = model, profiles, turn_seconds
        self._options, self._isolation = options or CliOptions(), isolation or Isolation()
        parse_rules(self._options.ask)
        self._warm, self._spares = warm, spares
        if spares is not None:
            spares.starts_by(self._ahead)
        self._runs: dict[Path, Run[_Reader] | None] = {}
        """Turns by their root; None while one is prepared."""
        self._closed = False

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        if turn.root in self._runs:
            raise Conflict(f"a turn is running in {turn.root} already.", fix="Wait for it, or interrupt it.")
        self._runs[turn.root], asked = None, turn
        try:
            profile, turn = with_own_tools(await asyncio.to_thread(self._profile, turn), turn)
            recipe = self._recipe(turn, profile)
            if run := await self._again(turn, recipe):
                try:
                    async with aclosing(self._asked(run)) as events:
                        async for event in events:
                            yield event
                except AgentFailed:
                    if not run.cli.wire.died_unheard:
                        raise
                else:
                    return
            begun = await self._anew(turn, profile, recipe)
            async with aclosing(self._asked(begun) if isinstance(begun, Run) else self._answered(begun)) as events:
                async for event in events:
                    yield event
        finally:
            del self._runs[turn.root]
            self._learn(asked)

    def _profile(self, turn: AgentTurn) -> Profile:
        profile = self._profiles.load(turn.profile)
        return with_memory(profile, turn.root) if self._options.memory else profile

    async def _again(self, turn: AgentTurn, recipe: Hashable) -> Run[_Reader] | None:
        """The turn on the CLI that rests in its tree, if there is one and it may serve it."""
        is_plain = (turn.prompt or "").strip() and turn.decision is None
        if self._warm is None or not is_plain:
            return None
        cli = await self._warm.take(turn.root, turn.tree, (recipe, turn.agent_session_id))
        if cli is None:
            return None
        try:
            start = await asyncio.to_thread(prepare_again, cli.start, turn, cli.usd)
        except BaseException as error:
            await cli.close()
            if isinstance(error, FileNotFoundError):
                return None  # a new CLI says what is wrong
            raise
        return Run(start, cli, _reader(start))

    async def _anew(self, turn: AgentTurn, profile: Profile, recipe: Hashable) -> Run[_Reader] | Start:
        """The turn on a new CLI; or its end, if it has that already."""
        if self._warm is not None:
            await self._warm.drop(turn.root)
        start = await asyncio.to_thread(prepare, turn, profile, self._options.ask)
        return start if start.done else Run(start, self._cli(start, recipe), _reader(start))

    async def _ahead(self, order: AgentTurn) -> Cli:
        """A CLI that waits for its first turn, which will be like `order`."""
        profile, turn = with_own_tools(await asyncio.to_thread(self._profile, order), order)
        start = await asyncio.to_thread(prepare_ahead, turn, profile, self._options.ask)
        cli = self._cli(start, self._recipe(turn, profile))
        try:
            await cli.messages()
        except BaseException:
            await asyncio.shield(cli.close())
            raise
        return cli

    def _learn(self, turn: AgentTurn) -> None:
        """How new sessions begin."""
        if self._spares is not None and turn.prompt is not None and turn.agent_session_id is None and not self._closed:
            self._spares.like(turn)

    def _cli(self, start: Start, recipe: Hashable) -> Cli:
        """A CLI for this start, which does not run yet."""
        turn, profile, wire = start.turn, start.equipment.profile, self._wire(start)
        connect = connections(profile, turn.root, self._isolation, start.equipment.options(self._options), os.environ)
        servers = OwnServers(profile, turn, connect, start.equipment.start_seconds)
        home = self._warm.home if self._warm else None
        options = _sdk_options(start.equipment.skills, _gate(start, wire), servers)
        client = ClaudeSDKClient(options, transport=wire)
        return Cli(start, wire, client, recipe, home, servers)

    async def _answered(self, start: Start) -> AsyncGenerator[AgentEvent, None]:
        """The turn had come to its end before: there is nobody to ask."""
        assert start.done is not None  # noqa: S101 - why this was called
        await asyncio.to_thread(tidy, start.turn.root)
        await asyncio.to_thread(forget_turn, start.turn.root)
        yield SessionSeen(start.done.agent_session_id)
        yield start.done

    async def _asked(self, run: Run[_Reader]) -> AsyncGenerator[AgentEvent, None]:
        """Run the CLI to the end of the turn."""
        if self._closed:
            raise _closed()
        root, stays = run.start.turn.root, False
        self._runs[root] = run
        deadline = asyncio.get_running_loop().call_later(self._seconds(run.start.turn), self._expire, run)
        try:
            async with aclosing(run.messages()) as messages:
                async for message in messages:
                    for event in run.heard.events(message):
                        yield event
            done = run.heard.done(run.start)
            await check_kept(root, done.agent_session_id, run.heard.last_entry)
            if done.stop_reason == TOOL_DEFERRED:
                done = await asyncio.to_thread(with_question, done, run.start)
            await asyncio.to_thread(forget_turn, root)
            yield done
            stays = await self._rests(run, done)
        except OutliveError:
            raise
        except Exception as error:  # the SDK also raises plain Exception
            raise AgentFailed(f"the agent failed: {error}") from error
        finally:
            deadline.cancel()
            if not stays:
                await run.cli.close()

    async def _rests(self, run: Run[_Reader], done: TurnDone) -> bool:
        """Whether the CLI was kept for the next turn."""
        if self._warm is None or not await run.rests(done):
            return False
        run.cli.remember(done.agent_session_id, run.heard.total_usd)
        await self._warm.rest(run.start.turn.root, run.cli)
        return True

    async def keep(self, root: Path, tree: str) -> None:
        if self._warm is not None:
            await self._warm.keep(root, tree)

    async def drop(self, root: Path, *, unless: str | None = None) -> None:
        if self._warm is not None:
            await self._warm.drop(root, unless=unless)

    async def interrupt(self, root: Path) -> bool:
        run = self._runs.get(root)
        return run is not None and await run.interrupt()

    async def steer(self, root: Path, text: str) -> bool:
        run = self._runs.get(root)
        return run is not None and await run.steer(text)

    async def close(self) -> None:
        self._closed = True
        if self._spares is not None:
            await self._spares.close()
        for run in [run for run in self._runs.values() if run]:
            run.cli.wire.fail(_closed())
            await run.cli.wire.close()
        if self._warm is not None:
            await self._warm.close()

    def _seconds(self, turn: AgentTurn) -> float:
        return self._turn_seconds if turn.turn_seconds is None else turn.turn_seconds

    def _expire(self, run: Run[_Reader]) -> None:
        limit = f"{self._seconds(run.start.turn):g} seconds"
        run.cli.wire.fail(
            AgentFailed(f"the turn took longer than {limit}.", fix="Ask for less, or raise turn_seconds.")
        )

    def _recipe(self, turn: AgentTurn, profile: Profile) -> Hashable:
        """Everything a CLI for this turn is started with, but the conversation."""
        env = environment(turn.root, self._model, self._options, inherited=os.environ, is_root=os.geteuid() == 0)
        servers = json.dumps([[s.name, dict(s.config), dict(s.kept)] for s in profile.running_servers], sort_keys=True)
        limits = (*(tool.name for tool in turn.tools), turn.max_turns, turn.max_usd, turn.lifted_rules, turn.debug_file)
        return (profile.name, profile.digest, servers, limits, turn.model, tuple(sorted(env.items())))

    def _wire(self, start: Start) -> _WireTransport:
        turn, equipment = start.turn, start.equipment
        options, model = equipment.options(self._options), equipment.model(self._model, turn.model)
        settings = Handover(start.allowed, turn.root / "tmp").settings() if start.allowed else None
        command = [
            str(find_cli(options.cli_path)),
            *arguments(turn, model, options, prompt_file=equipment.prompt_file, settings=settings),
        ]
        env = environment(turn.root, model, options, inherited=os.environ, is_root=os.geteuid() == 0)
        launch = self._isolation.launch(turn.root, command, {**env, **start.variables})
        return _WireTransport(
            launch.command, cwd=turn.root / "work", env=launch.env, user=launch.user, secrets=launch.secrets
        )


def _closed() -> AgentFailed:
    return AgentFailed("the agent was closed while the turn ran.", fix="The message is tried again.")


def _gate(start: Start, wire: Wire) -> Gate | None:
    """What is asked before each tool call; None where nobody ever has to be asked."""
    turn = start.turn
    if not start.rules and start.allowed is None:
        return None
    cwd = str(turn.root / "work")
    return Gate(start.rules, turn.lifted_rules, wire.batch, cwd=cwd, allowed=start.allowed)


def _sdk_options(skills: list[str], gate: Gate | None, servers: OwnServers) -> ClaudeAgentOptions:
    """What the SDK tells the CLI once it runs; everything else is in its arguments and its environment."""
    return ClaudeAgentOptions(
        system_prompt={"type": "custom", "prompt": "", "snapshot": False},  # a changed prompt reaches live sessions
        skills=skills,  # the profile's; the CLI's own are for programmers at a terminal
        verbatim_prompts=True,  # otherwise "@/any/file" in a message reads the file, and "/clear" forgets the session
        setting_sources=[],
        strict_mcp_config=True,
        mcp_servers={
            name: McpSdkServerConfig(type="sdk", name=name, instance=each) for name, each in servers.by_name.items()
        },
        hooks={"PreToolUse": [HookMatcher(hooks=[cast("HookCallback", gate)], timeout=GATE_SECONDS)]} if gate else None,
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
    state: str | None = None
    """What the CLI last said it was: running, idle."""
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
            case SystemMessage(subtype="session_state_changed", data={"state": str(state)}):
                self.state = state

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

    @property
    def total_usd(self) -> float:
        """What the CLI says it has cost so far."""
        return self.results[-1].total_cost_usd or 0.0

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
            usage=usage_of(self.results, start.usd_before),
            stop_reason=reason or "end_turn",
            is_error=last.is_error and reason != "interrupted",
            prompt_version=start.equipment.profile.digest,
            notices=self.notices,
        )


def _reader(start: Start) -> _Reader:
    return _Reader(start.equipment.profile.servers)
