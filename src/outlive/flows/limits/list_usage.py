"""The bill: what the sessions of a tenant have used, by session from their heads, by day from their ledgers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from outlive.core.keys import SessionId
from outlive.core.sessions import SESSION_TTL, Brief, Summary, decode_brief
from outlive.core.spending import day_of
from outlive.errors import Corrupt, NotFound
from outlive.flows.engine import Engine
from outlive.flows.limits.count_spending import read_spending
from outlive.flows.progress import Progress, unwatched
from outlive.flows.sessions.find_sessions import scan_heads
from outlive.flows.sessions.walk_history import at_latest
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_session import find_head
from outlive.flows.turn.read_ledger import read_ledger

FIGURES = (
    "turns", "agent_turns", "usd", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
    "seconds",
)  # fmt: skip
"""What is added up, in this order."""
Figures = tuple[float, ...]
Days = Mapping[str, Figures]
NOTHING: Figures = (0,) * len(FIGURES)
READ_AT_ONCE = 16
MOST_COUNTED = 50_000
"""Sessions whose days are remembered."""


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What one session, one day or all of them used."""

    name: str
    """A session's key, or a UTC day."""
    session_id: str | None = None
    turns: int = 0
    agent_turns: int = 0
    """Model calls."""
    usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    seconds: float = 0.0
    """Wall time of the agent."""
    counted_usd: float | None = None
    """Of a day: what was counted against the tenant's limits; None where nothing was."""


@dataclass(frozen=True, slots=True)
class UsageReport:
    """A bill."""

    lines: tuple[UsageLine, ...]
    total: UsageLine
    damaged: tuple[str, ...]
    """What is wrong with sessions that could not be read; the bill is without them."""
    sessions: int = 0
    """In the bill."""


class DayCounts:
    """What sessions have used by day, each at the version it was counted at: counted again only once it has a turn."""

    def __init__(self) -> None:
        self._counted: dict[SessionId, tuple[str, Days]] = {}

    def of(self, brief: Brief) -> Days | None:
        """The session's days, where they are known for this version."""
        tree, days = self._counted.get(brief.session_id, ("", {}))
        return days if tree == brief.tree else None

    def keep(self, brief: Brief, days: Days) -> None:
        """For the next time; the oldest is forgotten where there are very many."""
        self._counted.pop(brief.session_id, None)
        self._counted[brief.session_id] = (brief.tree, days)
        if len(self._counted) > MOST_COUNTED:
            self._counted.pop(next(iter(self._counted)))


async def usage_by_session(engine: Engine, stores: TenantStores, *, limit: int | None = None) -> UsageReport:
    """One line a session that is still there, the dearest first, `limit` at most; the total is of all of them.

    No object is read.
    """
    briefs, damaged = await _briefs(engine, stores, since=0.0)
    used = sorted((brief for brief in briefs if brief.summary.turns), key=lambda brief: -brief.summary.usd)
    total = _line("total", _sum(_of_summary(brief.summary) for brief in used))
    lines = [_line(brief.key, _of_summary(brief.summary), brief.session_id) for brief in used[:limit]]
    return UsageReport(tuple(lines), total, tuple(damaged), len(used))


async def usage_by_day(
    engine: Engine,
    stores: TenantStores,
    *,
    since: float = 0.0,
    counts: DayCounts | None = None,
    progress: Progress = unwatched,
) -> UsageReport:
    """One line a UTC day, the newest first, from every turn of the sessions that are still there.

    A day of which only the count against the limits is left (its sessions are erased or expired) has a line, too.
    With `since` only sessions with a turn since then are read, and days before are left out; with `counts` only those
    that have changed since they were read last.
    """
    counts = DayCounts() if counts is None else counts
    briefs, damaged = await _briefs(engine, stores, since)
    limit, done = asyncio.Semaphore(READ_AT_ONCE), iter(range(1, len(briefs) + 1))

    async def count(brief: Brief) -> Days:
        async with limit:
            days = counts.of(brief)
            if days is None:
                days = await _count(engine, stores, brief, counts, damaged)
            progress(next(done), len(briefs))
            return days

    first = day_of(since)
    days: dict[str, list[Figures]] = {}
    for each in await asyncio.gather(*map(count, briefs)):
        for day, figures in each.items():
            days.setdefault(day, []).append(figures)
    spent = {day: usd for day, usd in (await read_spending(engine, stores)).days.items() if day >= first}
    lines = [
        replace(_line(day, _sum(days.get(day, ()))), counted_usd=spent.get(day))
        for day in sorted({*days, *spent}, reverse=True)
        if day >= first
    ]
    total = _line("total", _sum(_figures_of(line) for line in lines))
    return UsageReport(tuple(lines), total, tuple(damaged), len(briefs))


async def usage_of_session(engine: Engine, stores: TenantStores, session_id: SessionId) -> UsageReport:
    """One line, from the session's head; none before its first turn. `NotFound` without such a session."""
    head = await find_head(engine, stores, session_id)
    figures = _of_summary(head.summary)
    lines = (_line(head.key, figures, session_id),) if head.summary.turns else ()
    return UsageReport(lines, _line("total", figures, session_id), (), 1)


async def days_of_session(engine: Engine, stores: TenantStores, session_id: SessionId) -> UsageReport:
    """One line a UTC day, the newest first, from the session's ledger; `Corrupt` where that cannot be read."""
    ledger = await at_latest(engine, stores, session_id, lambda now: read_ledger(engine, stores, now))
    days = days_of(ledger)
    lines = [_line(day, days[day], session_id) for day in sorted(days, reverse=True)]
    return UsageReport(tuple(lines), _line("total", _sum(days.values()), session_id), (), 1)


async def _count(engine: Engine, stores: TenantStores, brief: Brief, counts: DayCounts, damaged: list[str]) -> Days:
    """The days of one session, from its ledger; none of one that is gone or damaged."""
    try:
        ledger = await at_latest(engine, stores, brief.session_id, lambda now: read_ledger(engine, stores, now))
        days = days_of(ledger)
    except Corrupt as error:
        damaged.append(str(error))
        return {}
    except NotFound:
        return {}
    counts.keep(brief, days)
    return days


def days_of(ledger: bytes) -> Days:
    """Day -> what its turns used; `Corrupt` for a line that is none."""
    found: dict[str, list[Figures]] = {}
    try:
        for raw in ledger.splitlines():
            fields = json.loads(raw)
            figures = tuple(fields.get(name, 0) for name in FIGURES)
            found.setdefault(day_of(fields["at"]), []).append((1, *figures[1:]))
        return {day: _sum(all_of) for day, all_of in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Corrupt(
            "a line of ledger.jsonl cannot be read.", fix="Rewind the session to an older version."
        ) from error


async def _briefs(engine: Engine, stores: TenantStores, since: float) -> tuple[list[Brief], list[str]]:
    found, damaged = [], []
    oldest = max(since, engine.clock.now() - SESSION_TTL)
    for row in await scan_heads(engine, stores):
        try:
            brief = decode_brief(row.body, row.key)
        except Corrupt as error:
            damaged.append(str(error))
            continue
        if brief.updated_at > oldest:
            found.append(brief)
    return found, damaged


def _of_summary(summary: Summary) -> Figures:
    return tuple(getattr(summary, name) for name in FIGURES)


def _figures_of(line: UsageLine) -> Figures:
    return tuple(getattr(line, name) for name in FIGURES)


def _sum(all_of: Iterable[Figures]) -> Figures:
    columns = zip(*all_of, strict=True)
    return tuple(round(sum(column), 6) for column in columns) or NOTHING


def _line(name: str, figures: Figures, session_id: SessionId | None = None) -> UsageLine:
    return UsageLine(name, session_id, **dict(zip(FIGURES, figures, strict=True)))  # type: ignore[arg-type]
