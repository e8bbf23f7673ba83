"""What a tenant's sessions spend together: who runs, what is set aside for them, what each day has cost.

The record names sessions instead of keeping bare counters. Each entry remembers how much of its session's money is in
the days already, and the session's head says how much there is: the difference can be counted by anybody, at any
time, any number of times. So a crash between the turn and its count makes nothing drift.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from outlive.core.keys import SessionId
from outlive.core.quotas import Quotas, Refusal, least, usd_left
from outlive.errors import Corrupt, SchemaTooNew

SCHEMA = 1
KEPT_ENTRIES = 32
"""Sessions remembered after their turn: a count whose reply was lost is known to have landed."""
KEPT_DAYS = 62


@dataclass(frozen=True, slots=True)
class Entry:
    """A session that runs a turn, or has just run one."""

    session_id: SessionId
    fence: int
    """Of the lease under which the turn runs; 0 once it has ended and is counted."""
    until: float
    """Until then the turn is believed to run; later its lease is looked at. 0 once it has failed and holds no place."""
    counted: float
    """How much of the session's money is in the days."""
    reserved: float = 0.0
    """Set aside for the turn, in US dollars."""


@dataclass(frozen=True, slots=True)
class Spending:
    """One tenant's record."""

    entries: tuple[Entry, ...] = ()
    """The latest last."""
    days: Mapping[str, float] = field(default_factory=dict)
    """US dollars by day (UTC, `2026-01-31`)."""

    @property
    def running(self) -> tuple[Entry, ...]:
        """Those whose turn is not known to have ended."""
        return tuple(entry for entry in self.entries if entry.fence and entry.until)

    def today(self, now: float) -> float:
        """Spent on the day of `now`."""
        return self.days.get(day_of(now), 0.0)

    def this_month(self, now: float) -> float:
        """Spent in the month of `now`."""
        month = day_of(now)[:7]
        return round(sum(usd for day, usd in self.days.items() if day.startswith(month)), 6)


@dataclass(frozen=True, slots=True)
class Claim:
    """A turn that wants to run."""

    session_id: SessionId
    fence: int
    until: float
    session_usd: float
    """What the session's head says it has cost so far."""


@dataclass(frozen=True, slots=True)
class Granted:
    """It may run, and is in the record."""

    spending: Spending
    max_usd: float | None
    """What it may cost; None for no limit."""


@dataclass(frozen=True, slots=True)
class Full:
    """Not now: others run, or have the rest of the money set aside, or run this very session."""

    reason: str


def day_of(at: float) -> str:
    """The UTC day of a moment, as the record names it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def reserve(spending: Spending, claim: Claim, quotas: Quotas, now: float) -> Granted | Full | Refusal:
    """Whether the turn may run; asked again for the same fence, the answer is the same and nothing is set aside twice.

    With a limit per turn, running turns have it set aside, so together they stay under the day's and the month's
    limit. Without one, each may spend what is left when it begins.
    """
    known = _entry(spending, claim.session_id)
    if known is not None and known.fence > claim.fence and known.until > now:
        return Full("the session has passed to another worker")
    spending = catch_up(spending, claim, now)
    others = [entry for entry in spending.running if entry.session_id != claim.session_id]
    if refused := used_up(spending, quotas, now):
        return refused
    if quotas.max_concurrent_turns is not None and len(others) >= quotas.max_concurrent_turns:
        return Full(f"turns of the tenant that run already: {len(others)}")
    left = usd_left_together(spending, quotas, now, aside=sum(entry.reserved for entry in others))
    if left == 0:
        return Full("what is left of the tenant's money is set aside for running turns")
    max_usd = least(quotas.max_usd_per_turn, left, usd_left(quotas.max_usd_per_session, claim.session_usd))
    reserved = (max_usd or 0.0) if quotas.max_usd_per_turn is not None and left is not None else 0.0
    entry = Entry(claim.session_id, claim.fence, claim.until, _counted(known, claim), reserved)
    return Granted(_with(spending, entry), max_usd)


def settle(spending: Spending, claim: Claim, now: float) -> Spending:
    """The turn under this fence has ended: its session's money not in the days yet counts for the day of `now`.

    When the session has an entry under another fence, that turn's holder has seen to it.
    """
    entry = _entry(spending, claim.session_id)
    if entry is None or entry.fence not in (0, claim.fence):
        return spending
    charge = max(0.0, claim.session_usd - entry.counted)
    day = day_of(now)
    days = dict(spending.days) | ({day: round(spending.days.get(day, 0.0) + charge, 6)} if charge else {})
    counted = Entry(claim.session_id, 0, entry.until, _counted(entry, claim))
    return _with(replace(spending, days=days), counted)


def leave(spending: Spending, claim: Claim) -> Spending:
    """The turn under this fence has failed: its place is free, and what may yet be made of it is still to be counted.

    A turn whose last write failed may be adopted by the next holder, and then it has its price.
    """
    entry = _entry(spending, claim.session_id)
    if entry is None or entry.fence != claim.fence:
        return spending
    return _with(spending, replace(entry, until=0.0, reserved=0.0))


def catch_up(spending: Spending, claim: Claim, now: float) -> Spending:
    """Count what earlier holders of the session have left uncounted, and free their place; for who holds it now.

    The entry stays theirs: a turn that one of them had finished may yet be adopted, when its message comes, and then
    it has its price. What a session cost while nothing was counted stays uncounted.
    """
    entry = _entry(spending, claim.session_id)
    if entry is None or not entry.fence or entry.fence > claim.fence:
        return spending
    counted = settle(spending, replace(claim, fence=entry.fence), now)
    return _with(counted, Entry(claim.session_id, entry.fence, 0.0, _counted(entry, claim)))


def drop(spending: Spending, claim: Claim, now: float) -> Spending:
    """As `catch_up`, by somebody else, once the lease of this fence has ended; nothing when it is another's turn."""
    entry = _entry(spending, claim.session_id)
    return catch_up(spending, claim, now) if entry and entry.fence == claim.fence else spending


def used_up(spending: Spending, quotas: Quotas, now: float) -> Refusal | None:
    """Why nobody of the tenant gets a turn before tomorrow or the next month; None when there is money left."""
    today, month = spending.today(now), spending.this_month(now)
    if quotas.max_usd_per_month is not None and usd_left(quotas.max_usd_per_month, month) == 0:
        return Refusal(_spent_text("month", quotas.max_usd_per_month, month, _next_month(now)), "month_limit")
    if quotas.max_usd_per_day is not None and usd_left(quotas.max_usd_per_day, today) == 0:
        return Refusal(_spent_text("day", quotas.max_usd_per_day, today, day_of(now + 86400)), "day_limit")
    return None


def usd_left_together(spending: Spending, quotas: Quotas, now: float, *, aside: float = 0.0) -> float | None:
    """What the tenant's sessions may still spend today; None for no limit."""
    return least(
        usd_left(quotas.max_usd_per_day, spending.today(now) + aside),
        usd_left(quotas.max_usd_per_month, spending.this_month(now) + aside),
    )


def _spent_text(span: str, limit: float, used: float, next_day: str) -> str:
    return (
        f"The money for this {span} is used up (${used:.2f} of ${limit:.2f}), so this message was not answered. "
        f"There is new money from {next_day} 00:00 UTC on."
    )


def _next_month(now: float) -> str:
    first = datetime.fromtimestamp(now, UTC).replace(day=1)
    return (first + timedelta(days=31)).strftime("%Y-%m-01")


def _entry(spending: Spending, session_id: SessionId) -> Entry | None:
    return next((entry for entry in spending.entries if entry.session_id == session_id), None)


def _counted(entry: Entry | None, claim: Claim) -> float:
    """What is in the days once the claim's money is: never less than before.

    A worker that comes late, from under a lease that has passed on, knows less of the session than the record.
    """
    return max(entry.counted, claim.session_usd) if entry else claim.session_usd


def _with(spending: Spending, entry: Entry) -> Spending:
    """The record with this entry as its latest; the oldest that have ended, and the oldest days, fall out."""
    entries = [*(each for each in spending.entries if each.session_id != entry.session_id), entry]
    ended = [each.session_id for each in entries if not (each.fence and each.until)]
    gone = set(ended[:-KEPT_ENTRIES])
    days = dict(sorted(spending.days.items())[-KEPT_DAYS:])
    return Spending(tuple(each for each in entries if each.session_id not in gone), days)


# --------------------------------------------------------------------------------------------- storing


def encode_spending(spending: Spending) -> bytes:
    """The record as stored."""
    entries = [list(asdict(entry).values()) for entry in spending.entries]
    return json.dumps({"schema": SCHEMA, "entries": entries, "days": spending.days}, separators=(",", ":")).encode()


def decode_spending(body: bytes | None, name: str) -> Spending:
    """The record from its stored form, empty when there is none; `Corrupt` or `SchemaTooNew` name it."""
    if body is None:
        return Spending()
    try:
        found: dict[str, Any] = json.loads(body)
        if found["schema"] > SCHEMA:
            raise SchemaTooNew(f"spending record {name} is newer than this outlive.", fix="Upgrade outlive.")
        return Spending(tuple(Entry(*entry) for entry in found["entries"]), dict(found["days"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Corrupt(f"record {name} is not a spending record.", fix="Restore the table from a backup.") from error
