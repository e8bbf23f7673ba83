"""What lies between a process and all it calls: delays, errors, lost and late replies, partitions, crashes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from typing import Any, TypeVar

from outlive.core.keys import CONTROL_KEY
from outlive.errors import AgentFailed, OutliveError, Unavailable
from outlive.protocols import Absent, At, Hold, Keep
from outlive.testing.faults import Crash
from outlive.testing.simulation.processes import CURRENT, Process
from outlive.testing.simulation.scenarios import UNHEARD, Scenario

T = TypeVar("T")

LOCAL = ("workspace", "workspaces", "agent")
"""What a process calls on its own machine: no reply of it is lost, and no partition is in between."""

OFTENER = {("table.delete", "late"): 8}
"""There are few deletes, and one that arrives when its record has been made anew is what they are to be tried with."""
A_THIRD_OF_A_MINUTE = 0.69
"""The number that belongs to a call which is late by as much."""
REMOTE = ("lost reply", "late", "slow reply")


@dataclass(slots=True)
class Weather:
    """The faults of one history, and what there was of them."""

    scenario: Scenario
    fair: bool = False
    """Nothing goes wrong any more."""
    injected: list[str] = field(default_factory=list)
    """Each as `process call nth fault`: what `Scenario.muted` names."""
    kinds: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    trace: Any = field(default_factory=lambda: blake2b(digest_size=16))
    log: list[str] | None = None
    """What happened, line by line, for people; None to keep none."""

    def draw(self, process: Process, name: str) -> tuple[str, float]:
        """The fault of this call, and a number between 0 and 1 that belongs to it; an empty name for no fault."""
        self.calls += 1
        nth = process.calls[name] = process.calls.get(name, 0) + 1
        if self.fair or not self.scenario.rates:
            return "", 0.0
        place = f"{process.name} {name} {nth}"
        raw = blake2b(f"{self.scenario.seed} {place}".encode(), digest_size=16).digest()
        chance, spice = int.from_bytes(raw[:8], "big") / 2**64, int.from_bytes(raw[8:], "big") / 2**64
        for kind, usual in self.scenario.rates.items():
            rate = usual * OFTENER.get((name, kind), 1)
            if chance < rate:
                return self._noted(kind, place, name), spice
            chance -= rate
        return "", spice

    def _noted(self, kind: str, place: str, name: str) -> str:
        is_local = _is_local(name)
        told = f"{place} {kind}"
        if told in self.scenario.muted or (is_local and kind in REMOTE):
            return ""
        self.injected.append(told)
        self.kinds[kind] += 1
        return kind

    def note(self, what: str) -> None:
        """Add to the trace."""
        at = asyncio.get_running_loop().time()
        self.trace.update(f"{at:.6f} {what}\n".encode())
        if self.log is not None:
            self.log.append(f"{at:10.3f}  {what}")


class Network:
    """One process's way to the world; implements `wrappers.Around`."""

    def __init__(self, process: Process, weather: Weather) -> None:
        self._process, self._weather = process, weather

    async def __call__(self, name: str, arguments: tuple[object, ...], call: Callable[[], Awaitable[T]], /) -> T:
        process, weather = self._process, self._weather
        process.check_alive()
        is_local = _is_local(name)
        if not is_local and process.is_cut_off:
            weather.kinds["partition"] += 1
            if process.is_deaf:
                with suppress(OutliveError):
                    await call()
            await asyncio.sleep(0.5)
            process.check_alive()
            raise _outage(name, "no way")
        if self._is_unreadable(name, arguments):
            weather.kinds["unreadable controls"] += 1
            await asyncio.sleep(0.5)
            raise _outage(name, "this record is not served")
        kind, spice = weather.draw(process, name)
        if weather.scenario.late_erasure and self._is_first_of_a_mapping(name, arguments):
            kind, spice = "late", spice or 0.6
        if weather.scenario.late_creation and self._is_first_of_a_head(name, arguments):
            kind, spice = "late", A_THIRD_OF_A_MINUTE
        try:
            result = await (call() if not kind else self._faulty(kind, spice, name, call))
        except OutliveError as error:
            self._tell(name, arguments, type(error).__name__, kind)
            process.check_alive()
            raise
        process.check_alive()
        if process.unheard and _is_renewal(arguments):
            self._cut_off()
        if not is_local and process.is_cut_off:
            raise _outage(name, "cut off before the reply came")
        self._tell(name, arguments, "ok" if result is not None else "none", kind)
        return result

    def _is_unreadable(self, name: str, arguments: tuple[object, ...]) -> bool:
        """Whether it reads limits and switch while the table does not give them to anybody."""
        controls = self._weather.scenario.controls
        if controls is None or name != "table.read" or not str(arguments[0]).endswith(CONTROL_KEY):
            return False
        begin, end = controls.unreadable
        return begin <= asyncio.get_running_loop().time() < end

    def _is_first_of_a_mapping(self, name: str, arguments: tuple[object, ...]) -> bool:
        """Whether the process deletes a mapping for the first time; it does so again, having had no reply."""
        is_so = name == "table.delete" and "/key/" in str(arguments[0]) and not self._process.has_deleted
        self._process.has_deleted |= is_so
        return is_so and not self._weather.fair

    def _is_first_of_a_head(self, name: str, arguments: tuple[object, ...]) -> bool:
        """Whether the process makes a head, or commits, for the first time; it does so again, having had no reply."""
        if name != "table.write" or "/head/" not in str(arguments[0]) or self._weather.fair:
            return False
        kinds = {type(each) for each in arguments}
        what = "creation" if Absent in kinds else "commit" if {At, Keep} <= kinds else ""
        is_first = what not in self._process.has_begun
        self._process.has_begun.add(what)
        return bool(what) and is_first

    def _cut_off(self) -> None:
        """The renewal that has just landed is not heard of for a while."""
        process, weather = self._process, self._weather
        if not weather.fair:
            weather.kinds[UNHEARD] += 1
            process.cut_off_until = asyncio.get_running_loop().time() + process.unheard
            process.is_deaf = False
        process.unheard = 0.0

    def _tell(self, name: str, arguments: tuple[object, ...], outcome: str, kind: str) -> None:
        first = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        self._weather.note(f"{self._process.name} {name} {first} {outcome} {kind}")

    async def _faulty(self, kind: str, spice: float, name: str, call: Callable[[], Awaitable[T]]) -> T:
        """Do to the call what its fault is."""
        match kind:
            case "error":
                raise _failure(name)
            case "lost reply":
                with suppress(OutliveError):
                    await call()
                raise _outage(name, "the reply was lost")
            case "late":
                self._send_off(name, call, 0.2 + spice**3 * 60)
                raise _outage(name, "no reply yet")
            case "delay":
                await asyncio.sleep(spice**3 * 60)
                self._process.check_alive()
                return await call()
            case "slow reply":
                result = await call()
                await asyncio.sleep(spice**3 * 60)
                return result
            case "crash after":
                with suppress(Exception):
                    await call()
        self._process.die()
        raise Crash(f"{self._process.name} died at {name}")

    def _send_off(self, name: str, call: Callable[[], Awaitable[T]], seconds: float) -> None:
        """The request is on its way, whatever becomes of who sent it, and arrives when nobody waits for it any more."""
        context = copy_context()
        sender = f"{self._process.name} {name}"

        async def arrive() -> None:
            # A process that pauses or dies cannot hold back what it has sent.
            CURRENT.set(None)
            await asyncio.sleep(seconds)
            try:
                await call()
                self._weather.note(f"{sender} arrived late")
            except OutliveError as error:
                self._weather.note(f"{sender} arrived late: {type(error).__name__}")

        context.run(CURRENT.set, None)
        asyncio.get_running_loop().create_task(arrive(), context=context)


def _is_renewal(arguments: tuple[object, ...]) -> bool:
    """A write over a record that keeps its lease: the one that makes it expects none."""
    return {At, Hold} <= {type(each) for each in arguments}


@cache
def _is_local(name: str) -> bool:
    return name.partition(".")[0] in LOCAL


def _outage(name: str, what: str) -> Unavailable:
    return Unavailable(f"{name}: {what}.", original=ConnectionResetError(what))


def _failure(name: str) -> OutliveError:
    return AgentFailed("the model failed.") if name.startswith("agent.run") else _outage(name, "nothing was sent")
