"""Simulated processes and machines: what can stop, die and come back, and what a disk keeps."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from outlive.testing.faults import Crash
from outlive.testing.simulation.disks import Disk


@dataclass(slots=True, eq=False)
class Process:
    """One operating system process."""

    name: str
    disk: Disk
    ahead: float = 0.0
    """How many seconds its clock is ahead of true time."""
    alive: bool = True
    paused_until: float = 0.0
    """By the loop's time: until then nothing of it runs, as after SIGSTOP."""
    cut_off_until: float = 0.0
    """By the loop's time: until then no server answers it."""
    is_deaf: bool = False
    """While it is cut off: what it sends arrives, and no reply comes back."""
    unheard: float = 0.0
    """Seconds it will be cut off for once its next renewal of a lease has landed; 0 for not at all."""
    has_deleted: bool = False
    """A mapping, once at least."""
    has_begun: set[str] = field(default_factory=set)
    """What of a session's first writes it has sent once at least."""
    calls: dict[str, int] = field(default_factory=dict)
    """Awaited calls so far, by name."""
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    @property
    def is_cut_off(self) -> bool:
        """Whether no server answers it now."""
        return self.cut_off_until > 0 and self.cut_off_until > asyncio.get_running_loop().time()

    def check_alive(self) -> None:
        """Raise in whatever part of a dead process still runs."""
        if not self.alive:
            raise Crash(f"{self.name} is dead")

    def die(self) -> None:
        """End it at once: from now on nothing it does reaches anybody."""
        if self.alive:
            self.alive = False
            self.disk.let_go(self)
            for task in self.tasks:
                task.cancel()

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Keep in mind that the task is this process's own."""
        if len(self.tasks) > 64:
            self.tasks = [each for each in self.tasks if not each.done()]
        self.tasks.append(task)
        if not self.alive:
            task.cancel()


class Loss(Enum):
    """What a machine loses together with its process."""

    NOTHING = "process"
    UNSYNCED = "reboot"
    DISK = "disk"


CURRENT: ContextVar[Process | None] = ContextVar("process", default=None)
"""Whose code runs now; None for the servers and the network."""
HELD: ContextVar[tuple[str, int]] = ContextVar("held", default=("", 0))
"""The session whose lease was taken last by the code that runs now, and its fence."""
MESSAGE: ContextVar[bytes] = ContextVar("message", default=b"")
"""The message that was received last by the code that runs now, as the queue has it."""
