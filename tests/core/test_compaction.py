"""Compaction keeps the packs few and what it rewrites near the least there is; the figures are counted, not timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.core.compaction import DEFAULT_LIMIT, SMALL_PACK, LivePack, live_packs, packs_to_absorb
from outlive.core.packs import PackName, pack_name

LIMITS = st.integers(2, 12)
SIZES = st.integers(1, 10**8)


def pack(number: int, size: int, *, share: float = 1.0) -> LivePack:
    """A pack of this many compressed bytes, of which so much is still used."""
    return LivePack(pack_name(number, 1, 1), size, 1000, int(1000 * share))


@st.composite
def pack_lists(draw: st.DrawFn) -> list[LivePack]:
    """Any live packs, dead weight included."""
    drawn = draw(st.lists(st.tuples(SIZES, st.integers(0, 1000)), max_size=40))
    return [pack(number, size, share=live / 1000) for number, (size, live) in enumerate(drawn)]


# ------------------------------------------------------------------------------------------ one decision


@given(pack_lists(), SIZES, LIMITS)
@settings(deadline=None)
def test_a_commit_leaves_at_most_the_limit(packs: list[LivePack], new_size: int, limit: int) -> None:
    """However many packs a turn's flushes left, no more than the limit remain, the new one included."""
    absorbed = packs_to_absorb(packs, new_size, limit=limit)
    assert absorbed <= {each.name for each in packs}
    assert len(packs) - len(absorbed) + 1 <= limit


@given(pack_lists(), SIZES, LIMITS)
@settings(deadline=None)
def test_dead_packs_go(packs: list[LivePack], new_size: int, limit: int) -> None:
    """A pack that nothing uses goes with the next commit, and so does a large one that is mostly dead weight."""
    packs = [*packs, pack(99, SMALL_PACK, share=0.499)]
    absorbed = packs_to_absorb(packs, new_size, limit=limit)
    dead = {each.name for each in packs if not each.live}
    wasteful = {each.name for each in packs if each.live < 500 and each.size >= SMALL_PACK}
    assert dead | wasteful <= absorbed


@given(pack_lists(), SIZES, LIMITS)
@settings(deadline=None)
def test_smaller_packs_go_first(packs: list[LivePack], new_size: int, limit: int) -> None:
    """Of the packs in good use none is rewritten while a smaller one stays."""
    absorbed = packs_to_absorb(packs, new_size, limit=limit)
    used = [each for each in packs if each.live >= 500]
    gone = [each.weight for each in used if each.name in absorbed]
    stay = [each.weight for each in used if each.name not in absorbed]
    assert not gone or not stay or max(gone) <= min(stay)


@given(st.lists(SIZES, max_size=DEFAULT_LIMIT - 1), SIZES)
@settings(deadline=None)
def test_nothing_is_rewritten_without_need(sizes: list[int], new_size: int) -> None:
    """While there is room for the new pack and no dead weight, a commit writes its own bytes only."""
    assert packs_to_absorb([pack(number, size) for number, size in enumerate(sizes)], new_size) == set()


def test_a_little_dead_weight_is_left_alone() -> None:
    """A small pack that is half dead, or a large one that is half used, is not worth a rewrite."""
    packs = [pack(1, SMALL_PACK - 1, share=0.1), pack(2, 10 * SMALL_PACK, share=0.5)]
    assert packs_to_absorb(packs, 1000) == set()


def test_a_long_turns_flushes_are_merged_without_touching_the_past() -> None:
    """Forty small flushes become one pack with the commit while the large packs of earlier turns stay."""
    past = [pack(1, 50_000_000), pack(2, 5_000_000)]
    flushes = [pack(number, 2000) for number in range(3, 43)]
    assert packs_to_absorb([*past, *flushes], 2000) == {each.name for each in flushes}


def test_live_bytes_are_joined_with_sizes() -> None:
    """A pack's weight is its size times the part still used; one that no entry names has no live bytes."""
    one, other = pack_name(1, 1, 1), pack_name(2, 1, 1)
    packs = live_packs({one: (400, 1000), other: (50, 0)}, {one: 250})
    assert packs == [LivePack(one, 400, 1000, 250), LivePack(other, 50, 0, 0)]
    assert [(each.share, each.weight) for each in packs] == [(0.25, 100.0), (1.0, 50.0)]


# ------------------------------------------------------------------------------------------- a long life


@dataclass(frozen=True, slots=True)
class Life:
    """What a session's commits came to."""

    rewriting: float
    """Bytes written for each byte that was new."""
    most_packs: int
    largest_rewritten: int
    """How often the largest pack was taken over."""


def equal(_turn: int) -> int:
    """Turns of a thousand compressed bytes."""
    return 1000


def uneven(turn: int) -> int:
    """Turns of 200 to 20,000 compressed bytes in no order."""
    return 200 + turn * 7919 % 19_801


@cache
def live(turns: int, limit: int, new_bytes: Callable[[int], int] = equal) -> Life:
    """Commit so many turns, each of which only adds."""
    packs: dict[PackName, int] = {}
    written = new = most = largest = 0
    for turn in range(1, turns + 1):
        listed = [LivePack(name, size, 1, 1) for name, size in packs.items()]
        absorbed = packs_to_absorb(listed, new_bytes(turn), limit=limit)
        largest += bool(packs) and max(packs, key=lambda name: packs[name]) in absorbed
        merged = new_bytes(turn) + sum(packs.pop(name) for name in absorbed)
        packs[pack_name(turn, 1, 1)] = merged
        written, new, most = written + merged, new + new_bytes(turn), max(most, len(packs))
    assert sum(packs.values()) == new
    return Life(written / new, most, largest)


@pytest.mark.promise("P11")
@pytest.mark.parametrize(
    ("limit", "turns", "most"),
    [
        (3, 10, 2.5), (3, 100, 5.1), (3, 1_000, 13.2), (3, 10_000, 29.1),
        (4, 10, 1.7), (4, 100, 4.0), (4, 1_000, 8.5), (4, 10_000, 16.7),
        (8, 10, 1.8), (8, 100, 2.7), (8, 1_000, 5.1), (8, 10_000, 7.7),
        (32, 10, 1.0), (32, 100, 2.0), (32, 1_000, 2.6), (32, 10_000, 3.6),
    ],
)  # fmt: skip
def test_equal_turns_are_rewritten_so_often(limit: int, turns: int, most: float) -> None:
    """With at most `limit` packs, so many equal turns write at most `most` bytes for each new one, itself included."""
    assert live(turns, limit).rewriting <= most


@pytest.mark.parametrize(("turns", "most"), [(10, 1.6), (100, 4.0), (1_000, 9.5), (10_000, 18.6)])
def test_uneven_turns_are_rewritten_hardly_more(turns: int, most: float) -> None:
    """Turns of 200 to 20,000 bytes write at most so many bytes for each new one with four packs."""
    assert live(turns, DEFAULT_LIMIT, uneven).rewriting <= most


@cache
def least(turns: int, packs: int) -> float:
    """The fewest units any plan writes for so many equal turns: it picks when to write the oldest pack a last time."""
    if turns == 0:
        return 0
    if packs == 0:
        return float("inf")
    return min(least(last - 1, packs) + last + least(turns - last, packs - 1) for last in range(1, turns + 1))


@pytest.mark.parametrize("limit", [3, 4, 8, 16])
@pytest.mark.parametrize("turns", [100, 200, 300])
def test_no_plan_could_rewrite_much_less(turns: int, limit: int) -> None:
    """From 100 turns on compaction writes at most a quarter more than the best plan there is for so many packs."""
    for below in range(turns):
        least(below, limit)
    assert live(turns, limit).rewriting <= 1.25 * least(turns, limit) / turns


@pytest.mark.parametrize("limit", [2, 3, 4, 8, 64])
@pytest.mark.parametrize("new_bytes", [equal, uneven])
def test_a_resume_needs_few_objects_at_any_length(limit: int, new_bytes: Callable[[int], int]) -> None:
    """Over 1,000 turns there are never more packs than the limit, and the limit is used."""
    assert live(1_000, limit, new_bytes).most_packs == limit


@pytest.mark.parametrize(("turns", "most"), [(100, 4), (1_000, 10), (10_000, 21)])
def test_the_largest_pack_is_rarely_rewritten(turns: int, most: int) -> None:
    """With four packs the largest one is taken over at most so many times in so many turns."""
    assert live(turns, DEFAULT_LIMIT).largest_rewritten <= most
