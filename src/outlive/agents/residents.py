"""Trees in which a live process stays behind a turn: they are not given back before it has gone."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar


class Slot(Protocol):
    """A session's tree, locked."""

    @property
    def root(self) -> Path:
        """Where it lies."""
        ...

    def give_back(self) -> None:
        """Let others have it."""
        ...


S = TypeVar("S", bound=Slot)


async def _end_nothing(root: Path) -> None:
    """No agent has said how."""


class Residents(Generic[S]):
    """Which trees of this worker have a live process in them; shared by its workspaces and its agent. Thread-safe.

    The lock of such a tree outlasts the turn. A turn in this worker gets the same tree back; any other process on this
    machine finds it taken and works in another one: so no two processes are ever at work in one tree.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open: set[Path] = set()
        self._kept: dict[Path, S] = {}
        """Trees with a process and no turn."""
        self._pinned: set[Path] = set()
        self._end: Callable[[Path], Awaitable[None]] = _end_nothing

    @property
    def resting(self) -> int:
        """Processes that rest without a turn."""
        with self._guard:
            return len(self._kept)

    def reclaim(self, base: Path, name: str) -> S | None:
        """A tree of this name that was left to a process: `base/name`, or `base/name-2` and so on."""
        with self._guard:
            for root in self._kept:
                if root.parent == base and (root.name == name or root.name.startswith(f"{name}-")):
                    self._open.add(root)
                    return self._kept.pop(root)
        return None

    def ends_by(self, end: Callable[[Path], Awaitable[None]]) -> None:
        """How the process in a tree is ended."""
        self._end = end

    async def clear(self, spared: Callable[[S], bool]) -> None:
        """End the processes that are alone in their trees, but for the spared ones."""
        with self._guard:
            roots = [root for root, slot in self._kept.items() if not spared(slot)]
        for root in roots:
            await self._end(root)

    def enter(self, slot: S) -> None:
        """A turn begins in this tree."""
        with self._guard:
            self._open.add(slot.root)

    def leave(self, slot: S) -> None:
        """The turn is over: the tree is given back, now or when its process goes."""
        with self._guard:
            self._open.discard(slot.root)
            is_pinned = slot.root in self._pinned
            if is_pinned:
                self._kept[slot.root] = slot
        if not is_pinned:
            slot.give_back()

    def pin(self, root: Path) -> bool:
        """A process lives in this tree now; False when no turn of this worker holds it, so it must not stay."""
        with self._guard:
            if root in self._open:
                self._pinned.add(root)
            return root in self._open

    def unpin(self, root: Path) -> None:
        """The process has gone, and everything it had started."""
        with self._guard:
            self._pinned.discard(root)
            slot = self._kept.pop(root, None)
        if slot is not None:
            slot.give_back()
