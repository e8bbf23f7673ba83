"""The counters of the benchmark: the kernel's bytes and calls of this process, a clock, and disk usage."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_IO_FILE = Path("/proc/self/io")
_BLOCK = 512
"""POSIX: st_blocks counts blocks of 512 bytes, whatever the file system's own block size."""


@dataclass(frozen=True, slots=True)
class Io:
    """What this process, all its threads together, has passed to read and write calls so far (proc(5), `io`)."""

    bytes_written: int
    write_calls: int
    bytes_read: int
    read_calls: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured piece of work: its time, and the kernel's counts, or None where it keeps none."""

    nanoseconds: int
    """By the clock."""
    cpu_nanoseconds: int
    """Of this process, all its threads together; a server's time is not in it."""
    loop_nanoseconds: int
    """Of the event loop's thread alone: the rest of the clock's time it waited."""
    io: Io | None


@dataclass(frozen=True, slots=True)
class Disk:
    """A folder's files: how many, their length in bytes, and the bytes of disk they occupy."""

    files: int
    length: int
    allocated: int


def io_counted() -> bool:
    """True where the kernel counts bytes per process (Linux); elsewhere samples carry no `io`."""
    return _snapshot() is not None


async def measure(work: Callable[[], Awaitable[T]]) -> tuple[T, Sample]:
    """Await `work` once and return its result with the sample of it, the reading of the counters taken out."""
    before = _snapshot()
    cpu, loop, started = time.process_time_ns(), time.thread_time_ns(), time.perf_counter_ns()
    result = await work()
    nanoseconds, used = time.perf_counter_ns() - started, time.process_time_ns() - cpu
    return result, Sample(nanoseconds, used, time.thread_time_ns() - loop, _between(before, _snapshot()))


def disk(folder: Path) -> Disk:
    """Everything below `folder`, directories themselves not counted."""
    files = [entry.lstat() for entry in folder.rglob("*") if not entry.is_dir()]
    return Disk(len(files), sum(stat.st_size for stat in files), sum(stat.st_blocks * _BLOCK for stat in files))


def _snapshot() -> bytes | None:
    # One read call, so that a snapshot's own cost is known exactly: the counters it shows do not yet hold it.
    try:
        handle = os.open(_IO_FILE, os.O_RDONLY)
    except OSError:
        return None
    try:
        return os.read(handle, 4096)
    finally:
        os.close(handle)


def _between(before: bytes | None, after: bytes | None) -> Io | None:
    if before is None or after is None:
        return None
    first, last = _fields(before), _fields(after)
    return Io(
        bytes_written=last["wchar"] - first["wchar"],
        write_calls=last["syscw"] - first["syscw"],
        bytes_read=last["rchar"] - first["rchar"] - len(before),
        read_calls=last["syscr"] - first["syscr"] - 1,
    )


def _fields(snapshot: bytes) -> dict[str, int]:
    lines = (line.split(b":") for line in snapshot.splitlines())
    return {name.decode(): int(value) for name, value in lines}
