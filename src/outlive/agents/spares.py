"""Agent processes started ahead of the sessions they are for: which ones wait, and when more are started."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from outlive.agents.warm import Resting, WarmProcesses
from outlive.errors import Invalid
from outlive.protocols import AgentTurn

_log = logging.getLogger(__name__)

EMPTY_TREE = "0:"
"""How the head of a new session names its tree; see `core.sessions.Head.tree`."""


class Slot(Protocol):
    """An empty tree, locked."""

    @property
    def root(self) -> Path:
        """Where it lies."""
        ...


S = TypeVar("S", bound=Slot)
P = TypeVar("P", bound=Resting)


class Trees(Protocol[S]):
    """Where spares live; see `workspace.DiskWorkspaces`."""

    async def open_spare(self, session_id: str) -> S: ...
    async def remove_left_spares(self) -> None: ...
    def release(self, slot: S) -> None: ...


@dataclass(frozen=True, slots=True)
class SpareLimits:
    """How many wait, and for how long; every field is a setting."""

    processes: int = 1
    """For each profile."""
    seconds: float = 900.0
    """After so long without a new session one ends. The next turn of a new session has another one started."""
    settle_seconds: float = 1.0
    """How long what runs just now comes first, before one is started."""
    pause_seconds: float = 60.0
    """How long none is started after one that could not be."""


class Spares(Generic[S, P]):
    """Processes that were started ahead; each waits in a tree of its own for a session that has its id already.

    Such a process is a resting one whose conversation has not begun. It was started like the last first turn of its
    profile, and only a turn that is like that in every part gets it: `WarmProcesses.take` decides.
    """

    def __init__(self, limits: SpareLimits, trees: Trees[S], warm: WarmProcesses[P], new_id: Callable[[], str]) -> None:
        """`new_id` gives session ids from which, whoever the tenant, the path of a spare tree follows."""
        self._limits, self._trees, self._warm, self._new_id = limits, trees, warm, new_id
        self._start: Callable[[AgentTurn], Awaitable[P]] | None = None
        self._orders: dict[str, AgentTurn] = {}
        self._ready: dict[str, list[tuple[str, Path]]] = {}
        """Per profile: session ids and roots."""
        self._filling: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._has_begun, self._is_first, self._closed = False, True, False

    def starts_by(self, start: Callable[[AgentTurn], Awaitable[P]]) -> None:
        """How a process is started for a turn that has no prompt and no conversation; it raises when it cannot be."""
        self._start = start

    def offer(self, profile: str) -> str | None:
        """The id for a new session of this profile whose process waits already; each is given out once."""
        ready = self._ready.get(profile, [])
        while ready:
            session_id, root = ready.pop(0)
            if self._warm.waits(root):
                return session_id
        return None

    def begin(self, turn: AgentTurn) -> None:
        """From now on new sessions are expected, and to begin with turns like this one; only the first call counts."""
        if not self._has_begun:
            self._has_begun = True
            self.like(turn)

    def like(self, turn: AgentTurn) -> None:
        """New sessions of its profile begin with turns like this one; start what is missing, beside everything else."""
        if not self._has_begun or turn.debug_file is not None or turn.lifted_rules:
            return
        self._orders[turn.profile] = blank(turn)
        is_idle = self._filling is None or self._filling.done()
        if is_idle and not self._closed and asyncio.get_running_loop().time() >= self._not_before:
            self._filling = asyncio.create_task(self._fill())

    async def settled(self) -> None:
        """Returns when nothing is being started."""
        if self._filling is not None:
            await asyncio.wait({self._filling})

    async def close(self) -> None:
        """Start no more; those that wait are the warm processes' to end."""
        self._closed = True
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait({self._filling})

    async def _fill(self) -> None:
        try:
            await asyncio.sleep(self._limits.settle_seconds)
            if self._is_first:
                self._is_first = False
                await self._trees.remove_left_spares()
            for profile in list(self._orders):
                while self._missing(profile) and await self._add(profile):
                    pass
        except Exception as error:  # noqa: BLE001 - a spare only saves time: turns do without
            self._not_before = asyncio.get_running_loop().time() + self._limits.pause_seconds
            _log.warning("no process could be started ahead: %s", error)

    def _missing(self, profile: str) -> int:
        ready = self._ready.setdefault(profile, [])
        ready[:] = [each for each in ready if self._warm.waits(each[1])]
        return self._limits.processes - len(ready)

    async def _add(self, profile: str) -> bool:
        """Start one more; False when there is no room for it."""
        assert self._start is not None  # noqa: S101 - said when the agent was made
        session_id = self._new_id()
        slot = await self._trees.open_spare(session_id)
        try:
            process = await self._start(replace(self._orders[profile], root=slot.root))
            waits = await self._warm.wait(slot.root, process, EMPTY_TREE, self._limits.seconds)
        finally:
            await asyncio.shield(asyncio.to_thread(self._trees.release, slot))
        if waits:
            self._ready[profile].append((session_id, slot.root))
        return waits


def blank(turn: AgentTurn) -> AgentTurn:
    """What every first turn of a new session is like: nothing in it is of this one, or of its tenant."""
    tools = tuple(replace(tool, call=_not_yet) for tool in turn.tools)
    return AgentTurn(
        root=Path(),
        prompt=None,
        agent_session_id=None,
        profile=turn.profile,
        max_turns=turn.max_turns,
        max_usd=turn.max_usd,
        turn_seconds=turn.turn_seconds,
        tools=tools,
        model=turn.model,
    )


async def _not_yet(_given: Mapping[str, Any]) -> str:
    raise Invalid("no turn has begun.", fix="Call the tool in one.")
