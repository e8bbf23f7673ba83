"""Which packs a commit rewrites, so that a cold start needs few objects at any length of the session.

A commit that would leave more than `limit` live packs takes the bytes of the smallest ones over into its own pack. They
are taken until the next larger one is `_ratio` times as large as what is merged, which keeps sizes geometric. With at
most k packs no policy rewrites a byte less than about (k! n)^(1/k) times over n equal commits (8.0 times for k = 4 and
n = 1,000); docs/decisions/compaction.md has what this one does, beside the least possible.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outlive.core.packs import PackName

DEFAULT_LIMIT = 4
UNIT = 1000
"""Compressed bytes of an ordinary commit; smaller ones count as one, or a tiny commit would merge everything."""
SLACK = 0.6
"""Found by simulation: lower and higher values rewrite more."""
MIN_RATIO = 1.0
MIN_LIVE_SHARE = 0.5
"""A pack of which less is still used is rewritten too: nobody should download mostly dead weight."""
SMALL_PACK = 4096
"""Dead weight in packs below this size is not worth a rewrite."""


@dataclass(frozen=True, slots=True)
class LivePack:
    """A pack and what it weighs."""

    name: PackName
    size: int
    """Bytes of the object."""
    raw: int
    live: int
    """Raw bytes that the manifest still uses."""

    @property
    def share(self) -> float:
        """Which part of the pack is still used; 1 for a pack without data."""
        return self.live / self.raw if self.raw else 1.0

    @property
    def weight(self) -> float:
        """Compressed bytes that taking it over costs."""
        return self.size * self.share


def packs_to_absorb(packs: Sequence[LivePack], new_size: float, *, limit: int = DEFAULT_LIMIT) -> set[PackName]:
    """Names of the packs whose live bytes the next commit, of `new_size` compressed bytes, takes over."""
    absorbed = {pack.name for pack in packs if pack.share < MIN_LIVE_SHARE and pack.size >= SMALL_PACK}
    absorbed |= {pack.name for pack in packs if not pack.live}
    rest = sorted((p for p in packs if p.name not in absorbed), key=lambda pack: pack.weight)
    merged = new_size + sum(pack.weight for pack in packs if pack.name in absorbed)
    ratio = _ratio(merged + sum(pack.weight for pack in rest), new_size, limit)
    while len(rest) + 1 > limit:
        merged += _take(rest, absorbed)
        while rest and rest[0].weight < ratio * merged:
            merged += _take(rest, absorbed)
    return absorbed


def _ratio(total: float, new_size: float, limit: int) -> float:
    """How many times larger than the merged ones a pack must be to stay: the `limit`-th root of the commits so far."""
    return max(MIN_RATIO, SLACK * math.pow(total / max(new_size, UNIT), 1 / limit))


def _take(rest: list[LivePack], absorbed: set[PackName]) -> float:
    pack = rest.pop(0)
    absorbed.add(pack.name)
    return pack.weight


def live_packs(sizes: Mapping[PackName, tuple[int, int]], live: Mapping[PackName, int]) -> list[LivePack]:
    """Join `name -> (size, raw)` with the live bytes of each."""
    return [LivePack(name, size, raw, live.get(name, 0)) for name, (size, raw) in sizes.items()]


COLD_FROM = 64 * 1024
"""Raw bytes of history that are worth a pack of their own."""
HOT_SHARE = 4
"""A pack of which at most one in this many bytes is still needed by a resume gives those bytes up to the next pack."""


@dataclass(frozen=True, slots=True)
class Parting:
    """What becomes of the packs, where a resume no longer needs all of their bytes."""

    absorbed: set[PackName]
    """Taken over whole."""
    parted: set[PackName]
    """Only what a resume needs is taken out of them."""
    cold: set[PackName]
    """Those that a resume does not read, the parted ones included."""


def packs_to_absorb_apart(
    packs: Sequence[LivePack], cold: Mapping[PackName, int], new_size: float, *, limit: int
) -> Parting:
    """The same, with packs that a resume reads and packs of history counted apart, `limit` of each.

    `cold`: how many live raw bytes of each pack are history. What is history stays out of the packs that a resume
    reads, so that those depend on what it needs, not on how long the session is.
    """
    frozen = {pack.name for pack in packs if pack.live and cold.get(pack.name) == pack.live}
    parted = {pack.name for pack in packs if pack.name not in frozen and _is_mostly_cold(pack, cold.get(pack.name, 0))}
    apart = frozen | parted
    warm = [pack for pack in packs if pack.name not in apart]
    moved = sum(_compressed(pack, pack.live - cold[pack.name]) for pack in packs if pack.name in parted)
    absorbed = packs_to_absorb(warm, new_size + moved, limit=limit)
    if len(apart) > limit:
        history = [LivePack(pack.name, pack.size, pack.raw, cold[pack.name]) for pack in packs if pack.name in apart]
        absorbed |= packs_to_absorb(history, new_size, limit=limit + 1)
    return Parting(absorbed, parted - absorbed, apart - absorbed)


def _is_mostly_cold(pack: LivePack, cold: int) -> bool:
    return cold >= COLD_FROM and (pack.live - cold) * HOT_SHARE <= pack.live


def _compressed(pack: LivePack, raw: int) -> float:
    return pack.size * raw / pack.raw if pack.raw else 0.0
