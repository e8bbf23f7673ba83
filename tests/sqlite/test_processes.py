"""Real processes on one SQLite file."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from outlive.protocols import Message
from outlive.sqlite.queue import SqliteQueue
from outlive.sqlite.table import SqliteTable
from outlive.testing.clock import ManualClock

WORKER = Path(__file__).with_name("worker.py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "outlive.db"


async def start(path: Path, job: str, name: str = "") -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, str(WORKER), str(path), job, name, stdout=PIPE)


async def run(path: Path, job: str, workers: int = 4) -> list[str]:
    """Start the workers at once and return the lines they print; all must succeed."""
    processes = [await start(path, job, f"w{n}") for n in range(workers)]
    printed = [(await process.communicate())[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * workers
    return b"".join(printed).decode().splitlines()


async def test_four_processes_on_an_empty_folder_lose_no_increment(path: Path) -> None:
    """Four processes create the file together and add 25 each to one record: it says 100."""
    await run(path, "increment")
    table = await SqliteTable.open(path)
    row = await table.read("n")
    await table.close()
    assert row is not None
    assert (row.body, row.version) == (b"100", 100)


async def test_one_of_four_processes_gets_the_lease(path: Path) -> None:
    """Of four processes that try for one lease one wins, with fence 1."""
    assert await run(path, "acquire") == ["1"]


@pytest.mark.promise("P2")
async def test_four_processes_share_a_queue(path: Path) -> None:
    """Each of 40 messages is delivered to one of four processes, and each group to one at a time, in order."""
    queue = await SqliteQueue.open(path, clock=ManualClock(0.0))
    for n in range(40):
        await queue.send(Message(f"g{n % 5}", f"{n:02}", b""))
    await queue.close()
    assert sorted(await run(path, "consume")) == sorted(f"g{n % 5} {n:02}" for n in range(40))


@pytest.mark.promise("P1")
async def test_what_a_killed_process_was_told_is_there(path: Path) -> None:
    """Every record acknowledged to a process before it is killed with SIGKILL is in the file afterwards."""
    process = await start(path, "write")
    assert process.stdout is not None
    told = [(await process.stdout.readline()).decode().strip() for _ in range(60)]
    process.kill()
    told += (await process.stdout.read()).decode().split()
    await process.wait()
    table = await SqliteTable.open(path)
    kept = {row.key for row in await table.scan("k", limit=10_000)}
    await table.close()
    assert len(told) >= 60
    assert set(told) <= kept
