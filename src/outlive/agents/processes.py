"""One supervised process: started with exactly the environment given, read line by line, never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path

from outlive.errors import AgentFailed

SUPERVISOR = Path(__file__).with_name("supervisor.py")
READ_BYTES = 1 << 16
PIPE_BYTES = 4096
"""What a pipe takes without a reader, on every system."""
EXIT_CHECK_SECONDS = 0.1
STDERR_SECONDS = 1.0
"""How long the last words are waited for; only something that has escaped still holds the pipe then."""
STDERR_BYTES = 4096
REAP_SECONDS = 8.0
"""Longer than the supervisor needs in the worst case."""


def _readable_once(secret: str) -> int:
    """A pipe that holds the secret, and whose other end is closed."""
    content = secret.encode()
    if len(content) > PIPE_BYTES:
        raise AgentFailed(f"a secret has more than {PIPE_BYTES:,} bytes.", fix="Correct the model's key.")
    reading, writing = os.pipe()
    with open(writing, "wb", buffering=0) as pipe:
        pipe.write(content)
    return reading


class SupervisedProcess:
    """A program below a supervisor in a session of its own; see `supervisor.py`."""

    def __init__(self, process: Process, transport: asyncio.SubprocessTransport, lifeline: FileIO) -> None:
        self._process, self._transport, self._lifeline = process, transport, lifeline
        self._stderr = bytearray()
        self._reading_stderr = asyncio.create_task(self._read_stderr())

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        user: int | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> SupervisedProcess:
        """Start `command` (an absolute path first), as another `user` if one is given; `AgentFailed` if impossible.

        Of each of the `secrets` the program gets a variable with a descriptor, from which it can be read once.
        """
        reading, writing = os.pipe()
        lifeline = FileIO(writing, "w")  # closes itself when it is forgotten: then the process ends, too
        words = [sys.executable, "-I", "-S", str(SUPERVISOR), str(reading), "-" if user is None else str(user)]
        words += command
        handed = {name: _readable_once(secret) for name, secret in (secrets or {}).items()}
        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await loop.subprocess_exec(
                lambda: SubprocessStreamProtocol(limit=READ_BYTES * 16, loop=loop),
                *words,
                cwd=cwd,
                env={**env, **{name: str(descriptor) for name, descriptor in handed.items()}},
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                pass_fds=(reading, *handed.values()),
                start_new_session=True,
            )
        except OSError as error:
            lifeline.close()
            raise AgentFailed(f"the agent's process cannot be started: {error}.", fix="See the error.") from error
        except BaseException:
            lifeline.close()
            raise
        finally:
            for descriptor in (reading, *handed.values()):
                os.close(descriptor)
        return cls(Process(transport, protocol, loop), transport, lifeline)

    @property
    def pid(self) -> int:
        """The supervisor's process id; also the id of its process group and session."""
        return self._process.pid

    @property
    def last_words(self) -> str:
        """The end of what the program wrote to stderr."""
        return self._stderr.decode(errors="replace").strip()

    async def write(self, data: bytes) -> None:
        """Send to the program's stdin; `AgentFailed` when it reads no more."""
        stdin = self._process.stdin
        if stdin is None or stdin.is_closing():
            raise AgentFailed("the agent's process takes no more input.")
        try:
            stdin.write(data)
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise AgentFailed(f"the agent's process has gone: {self.last_words}") from error

    async def end_input(self) -> None:
        """Close the program's stdin; it finishes what it has and ends."""
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing():
            stdin.close()
            with suppress(BrokenPipeError, ConnectionResetError):
                await stdin.wait_closed()

    async def lines(self, limit: int) -> AsyncIterator[bytes]:
        """What the program writes to stdout, line by line until it closes it; `AgentFailed` above `limit` bytes."""
        assert self._process.stdout is not None  # noqa: S101 - asked for when it was started
        parts: list[bytes] = []
        size = 0
        while chunk := await self._process.stdout.read(READ_BYTES):
            *complete, rest = chunk.split(b"\n")
            for line in complete:
                yield b"".join((*parts, line))
                parts, size = [], 0
            parts.append(rest)
            size += len(rest)
            if size > limit:
                raise AgentFailed(f"the agent's process wrote a line of more than {limit:,} bytes.")
        if size:
            yield b"".join(parts)

    async def wait(self) -> int:
        """The program's exit code, 128 + n after signal n; returns when everything it started is gone, too."""
        code = await self._exit_code()
        self._lifeline.close()
        if code < 0:  # the supervisor itself was killed: the program died with it, its group may not have
            self._kill_group()
        await asyncio.wait({self._reading_stderr}, timeout=STDERR_SECONDS)
        return code if code >= 0 else 128 - code

    async def _exit_code(self) -> int:
        """Unlike asyncio's `wait`, which also waits for pipes that something may still hold."""
        ending = asyncio.create_task(self._process.wait())
        while self._process.returncode is None:
            await asyncio.wait({ending}, timeout=EXIT_CHECK_SECONDS)
        ending.cancel()
        return self._process.returncode

    def kill(self) -> None:
        """End the program and everything it started, at once; nothing to wait for, so it cannot be cancelled."""
        self._lifeline.close()

    async def close(self) -> None:
        """`kill`, and wait until it is gone; idempotent."""
        self.kill()
        try:
            await asyncio.wait_for(asyncio.shield(self.wait()), REAP_SECONDS)
        except TimeoutError:
            self._kill_group()
            await self.wait()
        self._reading_stderr.cancel()
        self._transport.close()  # nobody may have read to the end of its output

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - asked for when it was started
        while chunk := await self._process.stderr.read(READ_BYTES):
            self._stderr += chunk
            del self._stderr[:-STDERR_BYTES]
