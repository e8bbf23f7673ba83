"""What a tenant has and how much it is used, in a few numbers that are kept up to date instead of counted anew."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace

from outlive.core.sessions import Head
from outlive.errors import Corrupt, SchemaTooNew

SCHEMA = 1
STATISTICS_KEY = "control/statistics"
"""Where they live, below the tenant's own prefix."""
KEPT_FLUSHES = 64
"""How many of the latest flushes the record remembers: one whose reply was lost is not added twice."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers, or by how much they have changed."""

    sessions: int = 0
    """There are, expired ones included until a sweep has removed them."""
    turns: int = 0
    """Of these sessions."""
    usd: float = 0.0
    """What these sessions have cost, in US dollars."""
    bytes: int = 0
    """Of the packs that their newest versions need."""
    cache_entries: int = 0
    """Results of tools, those that have run out included until a sweep has removed them."""
    cache_bytes: int = 0
    cache_hits: int = 0
    """Ever."""
    cache_misses: int = 0
    """Ever."""

    def __add__(self, other: Figures) -> Figures:
        """Both together."""
        sums = {each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}
        return Figures(**sums | {"usd": round(sums["usd"], 6)})


@dataclass(frozen=True, slots=True)
class Statistics:
    """One tenant's record."""

    figures: Figures = field(default_factory=Figures)
    counted_at: float = 0.0
    """When all of it was last counted anew, by a sweep; 0 for never."""
    flushes: tuple[str, ...] = ()

    @property
    def shown(self) -> Figures:
        """Without the negative numbers that lost changes can lead to until the next count."""
        return Figures(**{name: max(0, value) for name, value in asdict(self.figures).items()})


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened."""

    at: float
    figures: Figures


def of_head(head: Head) -> Figures:
    """What one session is in the numbers."""
    return Figures(1, head.summary.turns, head.summary.usd, sum(ref.size for ref in head.packs))


def moved(before: Head | None, after: Head | None) -> Figures:
    """What it changes that a session's head is another one now; None for none."""
    gone = of_head(before) if before else Figures()
    come = of_head(after) if after else Figures()
    return come + Figures(-gone.sessions, -gone.turns, -gone.usd, -gone.bytes)


def with_changes(statistics: Statistics, flush: str, changes: Iterable[Change]) -> Statistics:
    """The record after a flush; what happened before it was last counted anew is in it already, and so is a repeat."""
    if flush in statistics.flushes:
        return statistics
    figures = statistics.figures
    for change in changes:
        if change.at > statistics.counted_at:
            figures += change.figures
    return replace(statistics, figures=figures, flushes=(*statistics.flushes, flush)[-KEPT_FLUSHES:])


def counted_anew(statistics: Statistics, found: Figures, at: float) -> Statistics:
    """The record after a count that began at `at`; hits and misses leave no trace to be counted, and stay."""
    known = statistics.figures
    figures = replace(found, cache_hits=known.cache_hits, cache_misses=known.cache_misses)
    return replace(statistics, figures=figures, counted_at=at)


def encode_statistics(statistics: Statistics) -> bytes:
    """The record as stored."""
    told = [SCHEMA, asdict(statistics.figures), statistics.counted_at, list(statistics.flushes)]
    return json.dumps(told, separators=(",", ":")).encode()


def decode_statistics(body: bytes | None) -> Statistics:
    """The record from its stored form, empty when there is none; `Corrupt` or `SchemaTooNew`."""
    if body is None:
        return Statistics()
    try:
        schema, figures, counted_at, flushes = json.loads(body)
        found, is_newer = Statistics(Figures(**figures), counted_at, tuple(flushes)), schema > SCHEMA
    except (ValueError, TypeError, RecursionError) as error:
        fix = "Delete the record; a sweep counts anew."
        raise Corrupt(f"record {STATISTICS_KEY} is no statistics.", fix=fix) from error
    if is_newer:
        raise SchemaTooNew(f"record {STATISTICS_KEY} has schema {schema}.", fix="Upgrade outlive on this worker.")
    return found
