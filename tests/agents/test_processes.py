"""Supervised processes: what they are given, and that nothing of them is left, whoever dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from outlive.agents import processes
from outlive.agents.processes import SupervisedProcess
from outlive.errors import AgentFailed
from tests.agents.watching import count_naming, gone

SHELL = "/bin/sh"
WORKER = """
import asyncio, sys
from pathlib import Path
from outlive.agents.processes import SupervisedProcess
async def work():
    words = ["/bin/sh", "-c", sys.argv[1]]
    process = await SupervisedProcess.start(words, cwd=Path("/"), env={"PATH": "/usr/bin:/bin"})
    async for line in process.lines(100):
        print(line.decode(), flush=True)
asyncio.run(work())
"""


@pytest.fixture
def token() -> str:
    """A number of seconds that only this test's processes sleep."""
    return f"3{uuid4().int % 10**12}"


def sleepers(token: str) -> str:
    """A script with children that leave its process group, its session and their parent."""
    detached = f"setsid sleep {token} & (setsid {SHELL} -c 'sleep {token} & sleep {token}' &)"
    return f"{detached}; sleep {token} & sleep 0.1; echo ready"


@asynccontextmanager
async def running(script: str, **env: str) -> AsyncIterator[SupervisedProcess]:
    """A shell script below a supervisor."""
    variables = {"PATH": "/usr/bin:/bin", **env}
    process = await SupervisedProcess.start([SHELL, "-c", script], cwd=Path("/"), env=variables)
    try:
        yield process
    finally:
        await process.close()


async def all_lines(process: SupervisedProcess, limit: int = 10_000) -> list[bytes]:
    """What it prints until it ends."""
    return [line async for line in process.lines(limit)]


async def test_lines_and_exit_code() -> None:
    """Output comes line by line, a last one without newline too, then the code and the last words."""
    async with running("printf 'one\\n\\ntwo'; echo sorry >&2; exit 7") as process:
        assert await all_lines(process) == [b"one", b"", b"two"]
        assert await process.wait() == 7
        assert process.last_words == "sorry"


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("kill -9 $$", 137), ("kill -15 $$", 143)])
async def test_exit_codes(script: str, code: int) -> None:
    """A program killed by signal n ends with 128 + n."""
    async with running(script) as process:
        assert await all_lines(process) == []
        assert await process.wait() == code


async def test_the_environment_is_exactly_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of our own environment gets through, not even to the supervisor."""
    monkeypatch.setenv("A_SECRET", "x")
    async with running("env; tr '\\0' '\\n' < /proc/$PPID/environ", GIVEN="y", LANG="C.UTF-8") as process:
        names = {line.partition(b"=")[0] for line in await all_lines(process)}
    assert names - {b"PWD", b"OLDPWD", b"SHLVL", b"_"} == {b"PATH", b"GIVEN", b"LANG"}


async def test_input_and_its_end() -> None:
    """What is written arrives, and the program sees the end."""
    async with running("cat; echo end") as process:
        await process.write(b"hello\n")
        await process.end_input()
        assert await all_lines(process) == [b"hello", b"end"]
        with pytest.raises(AgentFailed, match="no more input"):
            await process.write(b"x")


async def test_a_pipe_that_breaks_ends_the_program() -> None:
    """Signals that Python ignores are not ignored by what it starts."""
    async with running("yes | head -n 1; echo done") as process:
        assert await all_lines(process) == [b"y", b"done"]


async def test_a_line_over_the_limit_is_refused() -> None:
    """A line without end is an error before it fills the memory."""
    async with running("yes | tr -d '\\n'") as process:
        with pytest.raises(AgentFailed, match="more than 100,000 bytes"):
            await all_lines(process, 100_000)


async def test_a_program_that_is_not_there() -> None:
    """The exit code is the shell's, and the last words say what is missing."""
    process = await SupervisedProcess.start(["/no/such/program"], cwd=Path("/"), env={})
    assert await all_lines(process) == []
    assert await process.wait() == 127
    assert "/no/such/program" in process.last_words
    await process.close()


async def test_a_folder_that_is_not_there() -> None:
    """A start that fails leaves no descriptor open and says why."""
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(AgentFailed, match="cannot be started"):
        await SupervisedProcess.start([SHELL], cwd=Path("/no/such/folder"), env={})
    assert len(os.listdir("/proc/self/fd")) == before


# ------------------------------------------------------------------------------------- nothing is left


async def test_closing_ends_everything(token: str) -> None:
    """Children that left group, session or parent go with the program, at once."""
    async with running(f"{sleepers(token)}; sleep {token}") as process:
        assert await anext(process.lines(100)) == b"ready"
        assert count_naming(f"sleep {token}") >= 5
        started = time.monotonic()
        await process.close()
        assert time.monotonic() - started < 2
        assert count_naming(f"sleep {token}") == 0


async def test_nothing_outlives_a_program_that_ends(token: str) -> None:
    """What a program leaves running when it ends by itself is ended, too."""
    async with running(sleepers(token)) as process:
        assert await all_lines(process) == [b"ready"]
        assert await process.wait() == 0
        assert count_naming(f"sleep {token}") == 0


@pytest.mark.parametrize("end", [os.kill, os.killpg])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_the_worker(token: str, end: Callable[[int, int], None], number: int) -> None:
    """A worker that is killed, alone or with its process group, takes everything along."""
    words = [sys.executable, "-c", WORKER, f"{sleepers(token)}; sleep {token}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        end(worker.pid, number)
    assert gone(f"sleep {token}", seconds=5)


async def test_a_killed_supervisor_takes_the_program_along(token: str) -> None:
    """The program itself dies with its supervisor, and so does its process group."""
    async with running(f"sleep {token}") as process:
        await asyncio.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
        assert await process.wait() == 137
        assert gone(f"sleep {token}", seconds=5)


async def test_a_program_dies_with_its_supervisor_without_our_help(token: str) -> None:
    """The system itself ends the program, so nothing goes on even if the worker is gone, too."""
    async with running(f"echo up; exec sleep {token}") as process:
        assert await anext(process.lines(100)) == b"up"
        os.kill(process.pid, signal.SIGKILL)
        assert gone(f"sleep {token}", seconds=5)  # the event loop does not run meanwhile, so nobody else can


async def test_the_terminals_interrupt_is_ours_alone(token: str) -> None:
    """The program is in a session of its own, so Ctrl-C reaches the worker only."""
    async with running(f"sleep {token}") as process:
        assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid != os.getsid(0)


async def test_without_linux_helpers(token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is neither prctl nor /proc, the tree is found through ps and ended."""
    script = tmp_path / "supervisor.py"
    script.write_text(processes.SUPERVISOR.read_text().replace('sys.platform == "linux"', "False"))
    monkeypatch.setattr(processes, "SUPERVISOR", script)
    async with running(f"setsid sleep {token} & sleep {token} & echo ready; sleep {token}") as process:
        assert await anext(process.lines(100)) == b"ready"
        await process.close()
        assert count_naming(f"sleep {token}") == 0


async def test_killing_needs_no_waiting(token: str) -> None:
    """A kill is one call that nothing can cancel; the end can be waited for afterwards."""
    process = await SupervisedProcess.start(
        [SHELL, "-c", f"echo up; sleep {token}"], cwd=Path("/"), env={"PATH": "/bin"}
    )
    assert await anext(process.lines(100)) == b"up"
    process.kill()
    assert await process.wait() == 137
    assert count_naming(f"sleep {token}") == 0
