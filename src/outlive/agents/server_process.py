"""An MCP server that is a command, as a pair of message streams: below a supervisor, and gone when they are closed."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from outlive.agents.isolation import Isolation
from outlive.agents.options import CliOptions, tool_environment
from outlive.agents.processes import SupervisedProcess
from outlive.agents.wire import LONGEST_LINE
from outlive.errors import AgentFailed

Incoming = MemoryObjectReceiveStream[SessionMessage | Exception]
Outgoing = MemoryObjectSendStream[SessionMessage]


@asynccontextmanager
async def command_streams(
    isolation: Isolation,
    root: Path,
    command: Sequence[str],
    variables: Mapping[str, str],
    *,
    options: CliOptions,
    inherited: Mapping[str, str],
) -> AsyncIterator[tuple[Incoming, Outgoing]]:
    """Start the command as the agent of this tree would, and talk to it line by line; `AgentFailed` if impossible.

    It gets the variables that every tool gets, and its own; nothing of the model's.
    """
    env = {**tool_environment(root, options, inherited), **variables}
    program = shutil.which(command[0], path=env.get("PATH"))
    if program is None:
        raise AgentFailed(f"there is no program {command[0]!r}.", fix="Install it, or correct `command`.")
    launch = isolation.launch(root, [os.path.join(os.getcwd(), program), *command[1:]], env)
    process = await SupervisedProcess.start(launch.command, cwd=root / "work", env=launch.env, user=launch.user)
    try:
        async with _talked_to(process) as streams:
            yield streams
    finally:
        process.kill()  # before anything is awaited: this may be a cancellation
        with anyio.CancelScope(shield=True):
            await process.close()


@asynccontextmanager
async def _talked_to(process: SupervisedProcess) -> AsyncIterator[tuple[Incoming, Outgoing]]:
    heard, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, said = anyio.create_memory_object_stream[SessionMessage](0)

    async def listen() -> None:
        async with heard:
            async for line in process.lines(LONGEST_LINE):
                if line.strip():
                    await heard.send(_parsed(line))

    async def say() -> None:
        async with said:
            async for each in said:
                line = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                await process.write(line.encode() + b"\n")

    async with anyio.create_task_group() as tasks, incoming, outgoing:
        tasks.start_soon(_to_the_end, listen)
        tasks.start_soon(_to_the_end, say)
        try:
            yield incoming, outgoing
        finally:
            process.kill()
            tasks.cancel_scope.cancel()


async def _to_the_end(work: Callable[[], Awaitable[None]]) -> None:
    """A server that has gone closes its streams: whoever waits for an answer is told so by them."""
    with suppress(AgentFailed, anyio.BrokenResourceError, anyio.ClosedResourceError):
        await work()


def _parsed(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error
