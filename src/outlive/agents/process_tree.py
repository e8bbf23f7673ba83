"""What runs below a process, and how much memory it takes: from `/proc`, or from `ps` where there is none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_RSS_FIELD = 21
"""Of `/proc/PID/stat` behind the name: field 24 (proc(5)), in pages."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that is no zombie."""

    pid: int
    parent: int
    memory: int
    """Resident bytes, shared pages included."""


def below(top: int) -> list[Running]:
    """Everything below `top`, without itself."""
    return _below(top, _all())


def _below(top: int, rest: list[Running]) -> list[Running]:
    found: list[Running] = []
    wanted = {top}
    while fresh := [each for each in rest if each.parent in wanted]:
        found += fresh
        wanted = {each.pid for each in fresh}
    return found


def memory(top: int) -> int:
    """Resident bytes of `top` and everything below it."""
    every = _all()  # looked at once: it is some 20 us for each process of the machine
    tops = [each for each in every if each.pid == top]
    return sum(each.memory for each in [*tops, *_below(top, every)])


def newcomers(top: int, before: Iterable[int]) -> list[Running]:
    """What runs below `top` and is neither one of `before` nor the child of a helper among them.

    The way down from `top` as long as each has one child (a sandbox, the program itself) counts as the program; what
    it had started `before` is its helper (an MCP server), and may start what it needs.
    """
    now = below(top)
    known = set(before)
    helpers = known - _stem(top, [each for each in now if each.pid in known])
    while fresh := {each.pid for each in now if each.parent in helpers} - helpers:
        helpers |= fresh
    return [each for each in now if each.pid not in known | helpers]


def _stem(top: int, processes: list[Running]) -> set[int]:
    found: set[int] = set()
    while len(children := [each.pid for each in processes if each.parent == top]) == 1:
        top = children[0]
        found.add(top)
    return found


def _all() -> list[Running]:
    return _from_proc() if (_PROC / "self/stat").exists() else _from_ps()


def _from_proc() -> list[Running]:
    page = os.sysconf("SC_PAGE_SIZE")
    found: list[Running] = []
    for name in os.listdir(_PROC):
        if name.isdigit():
            try:
                fields = (_PROC / name / "stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue  # it has gone meanwhile
            if fields[0] not in {b"Z", b"X"}:
                found.append(Running(int(name), int(fields[1]), int(fields[_RSS_FIELD]) * page))
    return found


def _from_ps() -> list[Running]:
    words = ["/bin/ps", "-axo", "pid=,ppid=,rss=,stat="]
    rows = subprocess.run(words, capture_output=True, check=True).stdout.splitlines()  # noqa: S603 - fixed words
    split = [row.split() for row in rows]
    return [Running(int(r[0]), int(r[1]), int(r[2]) << 10) for r in split if not r[3].startswith(b"Z")]
