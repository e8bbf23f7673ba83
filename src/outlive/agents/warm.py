"""Live agent processes at rest between two turns: which may serve the next one, and when they have to go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from outlive.agents.process_tree import memory
from outlive.protocols import Clock

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WarmLimits:
    """How much may stay; every field is a setting."""

    processes: int = 4
    """How many processes at rest; the one that has rested longest goes first."""
    seconds: float = 300.0
    """How long one may rest."""
    memory_mb: int = 1024
    """Resident memory of all of them, their helpers included."""


class Home(Protocol):
    """What keeps a tree from being given back while a process lives in it; see `residents.py`."""

    def pin(self, root: Path) -> bool:
        """A process lives in this tree now; False when it must not stay."""
        ...

    def unpin(self, root: Path) -> None:
        """It has gone, and everything it had started."""
        ...

    def ends_by(self, end: Callable[[Path], Awaitable[None]]) -> None:
        """How the process in a tree is ended, should the tree be wanted."""
        ...


class Resting(Protocol):
    """A live process between two turns."""

    @property
    def recipe(self) -> Hashable:
        """Everything it was started with, and its conversation: a process with an equal one would do the same."""
        ...

    @property
    def pid(self) -> int:
        """Of the topmost process."""
        ...

    @property
    def at_rest(self) -> bool:
        """Whether it lives and does nothing."""
        ...

    async def ended(self) -> None:
        """Returns when it has ended by itself."""
        ...

    async def close(self) -> None:
        """End it and everything it has started; returns, or raises, when all of it is gone."""
        ...


P = TypeVar("P", bound=Resting)


@dataclass(slots=True)
class _Kept(Generic[P]):
    process: P
    since: float
    watching: asyncio.Task[None]
    tree: str | None = None
    """The committed tree that its conversation ends on; None until the commit."""
    seconds: float | None = None
    """How long a process that was started ahead may wait for its session; None for one that has served a turn."""


class WarmProcesses(Generic[P]):
    """The processes at rest, one per tree at most, the longest rested first.

    A process serves only the root it was started in, and only a turn that starts from the very tree its own last turn
    was committed as: its conversation is in its memory, and nobody tells it what another worker has added.
    """

    def __init__(self, limits: WarmLimits, home: Home, clock: Clock, *, measure: Callable[[int], int] = memory) -> None:
        """`home` is what the workspaces use, too; `measure` gives the resident bytes below a process id."""
        self.limits, self.home = limits, home
        self._clock, self._measure = clock, measure
        self._kept: dict[Path, _Kept[P]] = {}
        self._closing: dict[Path, asyncio.Task[None]] = {}
        self._expiring: asyncio.Task[None] | None = None
        self._closed = False
        home.ends_by(self.drop)

    async def rest(self, root: Path, process: P) -> None:
        """Its turn is over, and not yet committed."""
        await self.drop(root)
        watching = asyncio.create_task(self._watch(root, process))
        self._kept[root] = _Kept(process, self._clock.now(), watching)
        if self._closed:
            await self.drop(root)

    async def keep(self, root: Path, tree: str) -> None:
        """Its turn is committed as `tree`: it may stay, if the limits allow."""
        kept = self._kept.pop(root, None)
        if kept is None:
            return
        self._kept[root] = kept
        kept.tree, kept.since = tree, self._clock.now()
        self._look_out()
        await self._trim()

    async def wait(self, root: Path, process: P, tree: str, seconds: float) -> bool:
        """A process that was started ahead waits for a turn that starts from `tree`.

        False when it had to go at once: nothing that rests makes room for it.
        """
        await self.rest(root, process)
        kept = self._kept.get(root)
        if kept is None:
            return False
        kept.tree, kept.seconds = tree, seconds
        self._look_out()
        if await self._excess() > 0:
            await self.drop(root)
        return self.waits(root)

    def waits(self, root: Path) -> bool:
        """Whether a process that was started ahead lives there, and no turn has taken it."""
        kept = self._kept.get(root)
        return kept is not None and kept.seconds is not None and kept.process.at_rest

    async def take(self, root: Path, tree: str, recipe: Hashable) -> P | None:
        """The process that may serve a turn from this tree; any other one in this root is gone on return."""
        kept = self._kept.get(root)
        fits = kept is not None and tree and kept.tree == tree and kept.process.recipe == recipe
        if kept is None or not fits or not kept.process.at_rest:
            await self.drop(root)
            return None
        del self._kept[root]
        kept.watching.cancel()
        return kept.process

    async def drop(self, root: Path, *, unless: str | None = None) -> None:
        """End what rests in this root, unless it was committed as that tree; returns when it is gone."""
        kept = self._kept.get(root)
        if kept is not None and (unless is None or kept.tree != unless):
            self._close(root)
        if root in self._closing:
            await asyncio.wait({self._closing[root]})

    async def expire(self) -> None:
        """End what has rested too long."""
        now = self._clock.now()
        await self._drop_all(
            [root for root, kept in self._kept.items() if kept.tree is not None and self._until(kept) <= now]
        )

    def _until(self, kept: _Kept[P]) -> float:
        return kept.since + (self.limits.seconds if kept.seconds is None else kept.seconds)

    async def close(self) -> None:
        """End all of them."""
        self._closed = True
        if self._expiring is not None:
            self._expiring.cancel()
        await self._drop_all(list(self._kept))
        if self._closing:
            await asyncio.wait(self._closing.values())

    async def _drop_all(self, roots: list[Path]) -> None:
        await asyncio.gather(*(self.drop(root) for root in roots))

    def _close(self, root: Path) -> None:
        """Begin to end it; at once, so that a turn that begins meanwhile waits for it."""
        kept = self._kept.pop(root)
        kept.watching.cancel()
        closing = self._closing[root] = asyncio.create_task(kept.process.close())
        closing.add_done_callback(lambda task: self._closed_one(root, task))

    def _closed_one(self, root: Path, task: asyncio.Task[None]) -> None:
        del self._closing[root]
        if not task.cancelled() and (error := task.exception()):
            _log.warning("what rested in %s has ended, but its places could not be emptied: %s", root, error)

    async def _watch(self, root: Path, process: P) -> None:
        await process.ended()
        if root in self._kept and self._kept[root].process is process:
            self._close(root)

    # ------------------------------------------------------------------------------------------- limits

    async def _trim(self) -> None:
        """Keep number and memory within the limits."""
        resting = [root for root, kept in self._kept.items() if kept.tree is not None and kept.seconds is None]
        await self._drop_all(resting[: max(len(resting) - self.limits.processes, 0)])
        sizes = await self._sizes()
        excess = sum(sizes.values()) - (self.limits.memory_mb << 20)
        for root, size in sizes.items():  # the longest rested first
            if excess > 0:
                await self.drop(root)
                excess -= size

    async def _excess(self) -> int:
        return sum((await self._sizes()).values()) - (self.limits.memory_mb << 20)

    async def _sizes(self) -> dict[Path, int]:
        pids = {root: kept.process.pid for root, kept in self._kept.items()}
        return await asyncio.to_thread(lambda: {root: self._measure(pid) for root, pid in pids.items()})

    def _look_out(self) -> None:
        if not self._expiring or self._expiring.done():
            self._expiring = asyncio.create_task(self._expire_forever())

    async def _expire_forever(self) -> None:
        while self._kept:
            first = min(map(self._until, self._kept.values())) - self._clock.now()
            with suppress(OSError):  # whoever comes meanwhile may rest for less than what waits now
                await self._clock.sleep(min(max(first, 0.05), self.limits.seconds))
            await self.expire()
