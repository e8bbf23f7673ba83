"""Fault injection: a plan decides what happens to each awaited call of the objects it is put around."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from outlive.errors import Invalid, Unavailable
from outlive.protocols import Clock
from outlive.testing.wrappers import wrap

T = TypeVar("T")


class Crash(BaseException):
    """The process died. No `except Exception` catches it, and what `finally` still tries fails with it too."""


@dataclass(frozen=True, slots=True)
class Step:
    """One awaited call."""

    number: int
    """Among all calls of the plan, from 1."""
    name: str
    """`table.write` and the like."""
    nth: int
    """Among the calls of this name, from 1."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Nothing goes wrong."""


@dataclass(frozen=True, slots=True)
class ErrorBefore:
    """`Unavailable`, and nothing has landed."""


@dataclass(frozen=True, slots=True)
class LostReply:
    """It is done, and yet `Unavailable`: the caller cannot know."""


@dataclass(frozen=True, slots=True)
class CrashBefore:
    """The process dies, and nothing has landed."""


@dataclass(frozen=True, slots=True)
class CrashAfter:
    """It is done, and the process dies before it hears of it."""


@dataclass(frozen=True, slots=True)
class Delay:
    """It is done `seconds` later, by the plan's clock."""

    seconds: float


Action = Pass | ErrorBefore | LostReply | CrashBefore | CrashAfter | Delay
Rule = Callable[[Step], Action]


def no_faults(_step: Step) -> Action:
    """The rule under which nothing goes wrong."""
    return Pass()


def at(number: int, action: Action) -> Rule:
    """What happens to the call with this number among all calls."""
    return lambda step: action if step.number == number else Pass()


def on(name: str, action: Action, *, nth: int = 1) -> Rule:
    """What happens to the nth call of this name."""
    return lambda step: action if (step.name, step.nth) == (name, nth) else Pass()


def every(name: str, action: Action) -> Rule:
    """What happens to all calls of this name (`table.write`) or of this object (`table`)."""
    return lambda step: action if name in (step.name, step.name.partition(".")[0]) else Pass()


def first_of(*rules: Rule) -> Rule:
    """The first rule that does not let the call pass decides."""

    def decide(step: Step) -> Action:
        return next((action for rule in rules if (action := rule(step)) != Pass()), Pass())

    return decide


class Plan:
    """One process's faults. Put it around all that the process uses: after a crash every call on it fails."""

    def __init__(self, rule: Rule = no_faults, *, clock: Clock | None = None) -> None:
        """`clock` is slept on by `Delay` only."""
        self.steps: list[Step] = []
        """The calls so far, in the order begun."""
        self.dead: Step | None = None
        """The call at which the process died."""
        self._rule = rule
        self._clock = clock
        self._times: Counter[str] = Counter()

    async def __call__(self, name: str, _arguments: tuple[object, ...], call: Callable[[], Awaitable[T]], /) -> T:
        """Do to the call what the rule says."""
        self._check_alive()
        step = self._count(name)
        match self._rule(step):
            case Pass():
                return await self._perform(call)
            case Delay(seconds):
                await self._sleep(seconds)
                return await self._perform(call)
            case ErrorBefore():
                raise _outage(step, "nothing was sent")
            case LostReply():
                with suppress(Exception):
                    await self._perform(call)
                raise _outage(step, "the reply was lost")
            case CrashAfter():
                with suppress(Exception):
                    await self._perform(call)
            case CrashBefore():
                pass
        self.dead = step
        raise Crash(f"died at {step.name}, call {step.number}")

    def _count(self, name: str) -> Step:
        self._times[name] += 1
        step = Step(len(self.steps) + 1, name, self._times[name])
        self.steps.append(step)
        return step

    async def _perform(self, call: Callable[[], Awaitable[T]]) -> T:
        # Another task may have crashed the process meanwhile: then nobody is left to hear the answer.
        try:
            result = await call()
        except Exception:
            self._check_alive()
            raise
        self._check_alive()
        return result

    async def _sleep(self, seconds: float) -> None:
        if self._clock is None:
            raise Invalid("The plan delays a call and has no clock.", fix="Give Plan(..., clock=...).")
        await self._clock.sleep(seconds)

    def _check_alive(self) -> None:
        if self.dead is not None:
            raise Crash(f"dead since {self.dead.name}, call {self.dead.number}")


def faulty(target: T, plan: Plan, name: str, *, inner: Mapping[str, str] | None = None) -> T:
    """`target` (a table, objects, a queue, an agent, ...) whose calls go by the plan, named `name.method`.

    `inner` names methods whose results go by the plan too: `{"open": "workspace"}`.
    """
    return wrap(target, name, plan, inner=inner)


def _outage(step: Step, what: str) -> Unavailable:
    return Unavailable(f"Injected at {step.name}, call {step.number}: {what}.", original=ConnectionResetError(what))
