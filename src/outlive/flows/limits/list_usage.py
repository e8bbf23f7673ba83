"""The bill: what the sessions of a tenant have used, by session from their heads, by day from their ledgers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from outlive.core.ledger import LedgerLine
from outlive.core.sessions import Head, Summary, decode_head
from outlive.core.spending import day_of
from outlive.errors import Corrupt
from outlive.flows.engine import Engine
from outlive.flows.limits.count_spending import read_spending
from outlive.flows.progress import Progress, unwatched
from outlive.flows.sessions.find_sessions import scan_heads
from outlive.flows.sessions.walk_history import at_latest
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.read_ledger import read_lines


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


async def usage_by_session(engine: Engine, stores: TenantStores) -> UsageReport:
    """One line a session that is still there, the dearest first; no object is read."""
    heads, damaged = await _heads(engine, stores)
    lines = [_of_head(head) for head in heads if head.summary.turns]
    return _report(sorted(lines, key=lambda line: -line.usd), damaged)


async def usage_by_day(engine: Engine, stores: TenantStores, *, progress: Progress = unwatched) -> UsageReport:
    """One line a UTC day, the newest first, from every turn of the sessions that are still there.

    A day of which only the count against the limits is left (its sessions are erased or expired) has a line, too.
    """
    heads, damaged = await _heads(engine, stores)
    days: dict[str, UsageLine] = {}
    for done, head in enumerate(heads, start=1):
        try:
            turns = await at_latest(engine, stores, head.session_id, lambda now: read_lines(engine, stores, now))
        except Corrupt as error:
            damaged.append(str(error))
            continue
        for turn in turns:
            day = day_of(turn.at)
            days[day] = _sum(day, [days.get(day, UsageLine(day)), _of_turn(turn)])
        progress(done, len(heads))
    for day, usd in (await read_spending(engine, stores)).days.items():
        days[day] = replace(days.get(day, UsageLine(day)), counted_usd=usd)
    return _report([days[day] for day in sorted(days, reverse=True)], damaged)


async def _heads(engine: Engine, stores: TenantStores) -> tuple[list[Head], list[str]]:
    heads, damaged = [], []
    for row in await scan_heads(engine, stores):
        try:
            head = decode_head(row.body, row.key)
        except Corrupt as error:
            damaged.append(str(error))
            continue
        if head.expires_at > engine.clock.now():
            heads.append(head)
    return heads, damaged


def _of_head(head: Head) -> UsageLine:
    summary: Summary = head.summary
    return UsageLine(
        name=head.key,
        session_id=head.session_id,
        turns=summary.turns,
        agent_turns=summary.agent_turns,
        usd=summary.usd,
        input_tokens=summary.input_tokens,
        output_tokens=summary.output_tokens,
        cache_read_tokens=summary.cache_read_tokens,
        cache_write_tokens=summary.cache_write_tokens,
        seconds=summary.seconds,
    )


def _of_turn(line: LedgerLine) -> UsageLine:
    return UsageLine(
        name="",
        turns=1,
        agent_turns=line.agent_turns,
        usd=line.usd,
        input_tokens=line.input_tokens,
        output_tokens=line.output_tokens,
        cache_read_tokens=line.cache_read_tokens,
        cache_write_tokens=line.cache_write_tokens,
        seconds=line.seconds,
    )


def _report(lines: list[UsageLine], damaged: list[str]) -> UsageReport:
    return UsageReport(tuple(lines), _sum("total", lines), tuple(damaged))


_SUMMED = tuple(set(UsageLine.__dataclass_fields__) - {"name", "session_id", "counted_usd"})


def _sum(name: str, lines: Iterable[UsageLine]) -> UsageLine:
    found = [asdict(line) for line in lines]
    return UsageLine(name, **{field: round(sum(line[field] for line in found), 6) for field in _SUMMED})
