"""What limits and kill switch were at every moment of a history, and what a worker may have known of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

from outlive.core.quotas import NAMES, Control, Quotas, Stop, least, usd_left
from outlive.testing.simulation.controls import CONTROL_SECONDS, LEAST, Deed
from outlive.testing.simulation.processes import Process

EVERYONE = "_all"
GRACE = 5.0
LOOK = 10.0
"""Of the simulated workers: a third of their lease."""
SLACK = 3.0
"""Seconds: the agent's longest step that ends in time, and the way there and back."""
STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Since:
    """What a record says from a moment on."""

    at: float
    control: Control


@dataclass(slots=True)
class ControlHistory:
    """All that was written, by true time."""

    process: Quotas
    """What every worker is set up with."""
    unreadable: tuple[float, float] = (0.0, 0.0)
    """From when until when nobody can read the records."""
    states: dict[str, list[Since]] = field(default_factory=dict)
    fields: dict[str, frozenset[str]] = field(default_factory=dict)
    """process -> what it was told to change."""

    @property
    def most_at_once(self) -> int | None:
        """Turns of one tenant, by the worker's own limit: operators leave it alone."""
        return self.process.max_concurrent_turns

    def written(self, by: Process, scope: str, before: Control, after: Control) -> str:
        """Note it; what it changed that it was not to change."""
        self._of(scope).append(Since(_now(), after))
        changed = {name for name in NAMES if getattr(before.quotas, name) != getattr(after.quotas, name)}
        changed |= {STOPPED} if before.stopped != after.stopped else set()
        return ", ".join(sorted(changed - self.fields.get(by.name, frozenset())))

    def is_missing(self, scope: str, since: float, deed: Deed) -> str:
        """What a deed that was answered has left undone: nothing that it was to change has been so since it began."""
        states = self._between(scope, since)
        match deed.what:
            case "stop":
                done = any(each.stopped for each in states)
            case "start":
                done = not all(each.stopped for each in states)
            case _:
                done = any(all(getattr(c.quotas, name) == value for name, value in deed.limits) for c in states)
        return "" if done else f"{states[-1]}"

    def has_been_unreadable(self, since: float) -> bool:
        """Whether nobody can have read what counts, from then until now."""
        begin, end = self.unreadable
        return begin <= since and _now() < end

    def has_been_stopped(self, tenant: str, since: float) -> Stop | None:
        """The stop that has been there all the time since then, so that nobody may have known otherwise."""
        for scope in (tenant, EVERYONE):
            known = [each.stopped for each in self._between(scope, since)]
            if known and all(known):
                return known[-1]
        return None

    def stops(self, tenant: str, since: float) -> list[Stop]:
        """Every stop that there has been since then."""
        found = [each.stopped for scope in (tenant, EVERYONE) for each in self._between(scope, since)]
        return [each for each in found if each is not None]

    def is_overdue(self, tenant: str, began: float) -> Stop | None:
        """The stop that a turn which began then should have obeyed by now."""
        patience = CONTROL_SECONDS + LOOK + GRACE + SLACK
        return self.has_been_stopped(tenant, max(_now() - patience, 0.0)) if _now() - began > patience else None

    def most_money(self, tenant: str) -> float | None:
        """The highest limit of all sessions together there ever was; None where money was not set aside all along."""
        highest = 0.0
        for quotas in self._quotas(tenant, 0.0):
            limit = least(quotas.max_usd_per_day, quotas.max_usd_per_month)
            if quotas.max_usd_per_turn is None or limit is None:
                return None
            highest = max(highest, limit)
        return highest

    def most_for_a_turn(self, tenant: str, taken: float, session_usd: float, counted: float) -> float | None:
        """What a turn may be given at most whose lease was taken then; None for no limit."""
        given = [_left(each, session_usd, counted) for each in self._quotas(tenant, taken - CONTROL_SECONDS)]
        known = [each for each in given if each is not None]
        return max(known) if len(known) == len(given) else None

    def may_be_used_up(self, tenant: str, since: float, name: str, used: float) -> bool:
        """Whether a limit of this name that a worker may have known is reached."""
        limits = [getattr(quotas, name) for quotas in self._quotas(tenant, since)]
        return any(limit is not None and used > limit - LEAST for limit in limits)

    def _quotas(self, tenant: str, since: float) -> Iterator[Quotas]:
        both = product(self._between(tenant, since), self._between(EVERYONE, since))
        for own, everyones in both:
            yield own.quotas.over(everyones.quotas).over(self.process)

    def _between(self, scope: str, since: float) -> Sequence[Control]:
        """What the record has said since then: as it was just before that moment, and every change."""
        states = self._of(scope)
        first = max((place for place, each in enumerate(states) if each.at < since), default=0)
        return [each.control for each in states[first:]]

    def _of(self, scope: str) -> list[Since]:
        return self.states.setdefault(scope, [Since(0.0, Control())])


def _left(quotas: Quotas, session_usd: float, counted: float) -> float | None:
    return least(
        quotas.max_usd_per_turn,
        usd_left(quotas.max_usd_per_session, session_usd),
        usd_left(quotas.max_usd_per_day, counted),
        usd_left(quotas.max_usd_per_month, counted),
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
