"""What a tenant's sessions spend together: granted, made to wait, refused, and counted once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.core.keys import SessionId
from outlive.core.quotas import Quotas, Refusal
from outlive.core.spending import (
    KEPT_DAYS,
    KEPT_ENTRIES,
    Claim,
    Entry,
    Full,
    Granted,
    Spending,
    catch_up,
    day_of,
    decode_spending,
    drop,
    encode_spending,
    leave,
    reserve,
    settle,
)
from outlive.errors import Corrupt, SchemaTooNew

NOW = 1_790_000_000.0
"""2026-09-21, a quarter past two in the afternoon, UTC."""
DAY = Quotas(max_usd_per_day=1.0)


def claim(number: int = 1, usd: float = 0.0, fence: int = 1) -> Claim:
    """A turn of session `number`, which has cost `usd` so far."""
    return Claim(SessionId(f"{number:032x}"), fence, NOW + 30, usd)


def granted(spending: Spending, wanted: Claim, quotas: Quotas = DAY, now: float = NOW) -> Granted:
    """A turn that must be let in."""
    found = reserve(spending, wanted, quotas, now)
    assert isinstance(found, Granted)
    return found


def spent(usd: float, now: float = NOW) -> Spending:
    """A record in which one session has spent so much."""
    running = granted(Spending(), claim(99), Quotas(), now).spending
    return settle(running, claim(99, usd), now)


# ------------------------------------------------------------------------------------------- counting


def test_a_turn_is_counted_on_the_day_it_ends() -> None:
    """What a session has cost since its turn began counts for the day on which it ends."""
    running = granted(Spending(), claim(usd=5.0)).spending
    assert settle(running, claim(usd=5.25), NOW + 86400).days == {"2026-09-22": 0.25}


def test_a_turn_counted_again_changes_nothing() -> None:
    """A count whose reply was lost is made again without effect."""
    once = settle(granted(Spending(), claim()).spending, claim(usd=0.25), NOW)
    assert settle(once, claim(usd=0.25), NOW) == once
    assert once.running == ()


def test_a_claim_made_again_is_in_the_record_once() -> None:
    """A reservation whose reply was lost is made again without effect."""
    once = granted(Spending(), claim())
    assert granted(once.spending, claim()) == once


def test_what_a_dead_worker_did_not_count_is_counted_by_the_next() -> None:
    """The next turn of the session counts what the head says and the record does not."""
    left = granted(Spending(), claim(usd=1.0, fence=1)).spending
    found = granted(left, claim(usd=1.3, fence=2)).spending
    assert (found.days, [entry.fence for entry in found.running]) == ({"2026-09-21": 0.3}, [2])


def test_a_failed_turn_holds_no_place_and_is_counted_when_it_was_adopted() -> None:
    """Its place is free at once, and what the head shows when the session is held again is counted."""
    one = Quotas(max_concurrent_turns=1)
    failed = leave(granted(Spending(), claim(1), one).spending, claim(1))
    assert granted(failed, claim(2), one)
    assert catch_up(failed, claim(1, usd=0.5, fence=2), NOW).today(NOW) == 0.5


def test_a_turn_that_is_adopted_late_is_counted() -> None:
    """Its dead worker's place is freed, by the session's next holder or another's need, and its price still counts."""
    running = granted(Spending(), claim(fence=2)).spending
    for freed in (catch_up(running, claim(fence=3), NOW), drop(running, claim(fence=2), NOW)):
        assert freed.running == ()
        assert catch_up(freed, claim(usd=0.25, fence=4), NOW).days == {day_of(NOW): 0.25}


def test_a_worker_that_comes_late_counts_nothing_twice() -> None:
    """A claim under a lease that has passed on takes no running turn's place, and sets back no count."""
    newer = granted(Spending(), claim(usd=0.5, fence=9)).spending
    assert isinstance(reserve(newer, claim(fence=6), DAY, NOW), Full)
    assert catch_up(newer, claim(fence=6), NOW) == newer
    ended = settle(newer, claim(usd=0.75, fence=9), NOW)
    late = granted(ended, claim(usd=0.5, fence=6)).spending
    assert catch_up(late, claim(usd=0.75, fence=10), NOW).days == ended.days


def test_only_the_turn_that_was_looked_at_is_dropped() -> None:
    """Between the look at a lease and the write another turn of the session may have begun: its place is its own."""
    running = granted(Spending(), claim(fence=5)).spending
    assert drop(running, claim(fence=4), NOW) == running


def test_a_holder_that_was_overtaken_frees_nothing() -> None:
    """The count of an older fence leaves the turn of the newer one in the record."""
    newer = granted(granted(Spending(), claim(fence=1)).spending, claim(fence=2)).spending
    assert settle(newer, claim(fence=1, usd=0.5), NOW) == newer


def test_what_was_not_limited_is_not_counted_later() -> None:
    """What a session cost while nothing was counted does not appear when counting begins again."""
    counted = settle(granted(Spending(), claim()).spending, claim(usd=0.25), NOW)
    again = granted(counted, claim(usd=7.0, fence=5)).spending
    assert again.days == {"2026-09-21": 0.25}


@given(st.lists(st.tuples(st.integers(1, 4), st.floats(0.001, 0.2), st.booleans(), st.booleans()), max_size=40))
def test_the_days_add_up_to_the_heads(turns: list[tuple[int, float, bool, bool]]) -> None:
    """Whoever dies before the count, and however often a count is repeated, the days have every cent once."""
    spending, heads, fences = Spending(), dict.fromkeys(range(1, 5), 0.0), dict.fromkeys(range(1, 5), 0)
    for number, usd, dies, repeats in [*turns, *((n, 0.0, False, False) for n in range(1, 5))]:
        fences[number] += 1
        spending = granted(spending, claim(number, heads[number], fences[number]), Quotas()).spending
        heads[number] = round(heads[number] + usd, 6)
        for _ in range(0 if dies else 1 + repeats):
            spending = settle(spending, claim(number, heads[number], fences[number]), NOW)
    assert spending.today(NOW) == pytest.approx(sum(heads.values()))
    assert spending.running == ()


# -------------------------------------------------------------------------------------------- refusing


@pytest.mark.parametrize(
    ("quotas", "reason", "since"),
    [
        (Quotas(max_usd_per_day=1.0), "day_limit", "2026-09-22 00:00 UTC"),
        (Quotas(max_usd_per_month=1.0), "month_limit", "2026-10-01 00:00 UTC"),
    ],
)
def test_used_up_money_is_refused_in_words(quotas: Quotas, reason: str, since: str) -> None:
    """A tenant at its limit is told how much is used and when there is new money."""
    found = reserve(spent(1.0), claim(), quotas, NOW)
    assert isinstance(found, Refusal)
    assert (found.stop_reason, "$1.00 of $1.00" in found.text, since in found.text) == (reason, True, True)


def test_a_new_day_has_new_money_and_the_month_has_not() -> None:
    """The day's limit begins anew at midnight UTC, the month's does not."""
    tomorrow = NOW + 86400
    assert granted(spent(1.0), claim(), DAY, tomorrow).max_usd == 1.0
    assert isinstance(reserve(spent(1.0), claim(), Quotas(max_usd_per_month=1.0), tomorrow), Refusal)


def test_a_turn_may_cost_what_the_nearest_limit_leaves() -> None:
    """The smallest of what turn, session, day and month leave is the turn's own limit."""
    quotas = Quotas(max_usd_per_turn=0.5, max_usd_per_session=3.0, max_usd_per_day=1.0, max_usd_per_month=1.5)
    assert granted(spent(0.25), claim(usd=0.1), quotas).max_usd == 0.5
    assert granted(spent(0.25), claim(usd=2.9), quotas).max_usd == pytest.approx(0.1)
    assert granted(spent(0.75), claim(), quotas).max_usd == 0.25


def test_the_places_are_limited() -> None:
    """One more than the places has to wait; the session that is in already does not stand in its own way."""
    two = Quotas(max_concurrent_turns=2)
    full = granted(granted(Spending(), claim(1), two).spending, claim(2), two).spending
    assert isinstance(reserve(full, claim(3), two, NOW), Full)
    assert granted(full, claim(2, fence=2), two).spending.running[-1].fence == 2
    assert granted(settle(full, claim(1), NOW), claim(3), two)


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=60), st.floats(0.01, 0.7))
def test_with_a_limit_per_turn_running_turns_cannot_overspend(steps: list[tuple[int, bool]], per_turn: float) -> None:
    """However turns begin and end, together they never spend more than the day has, if each keeps to its limit."""
    quotas, spending, running = replace(DAY, max_usd_per_turn=per_turn), Spending(), {}
    for fence, (number, ends) in enumerate(steps, start=1):
        if number not in running:
            found = reserve(spending, claim(number, 0.0, fence), quotas, NOW)
            if isinstance(found, Granted):
                spending, running[number] = found.spending, (fence, found.max_usd)
        elif ends:
            began, usd = running.pop(number)
            spending = settle(spending, claim(number, usd, began), NOW)
            spending = Spending(tuple(e for e in spending.entries if e.fence), spending.days)  # as of new sessions
        assert spending.today(NOW) + sum(entry.reserved for entry in spending.running) <= 1.00001


# --------------------------------------------------------------------------------------------- storing


def test_the_record_stays_small() -> None:
    """However many sessions and days there were, the running ones and the latest others are kept."""
    spending = Spending()
    for number in range(200):
        now = NOW + number * 86400
        spending = granted(spending, claim(number), Quotas(), now).spending
        if number:
            spending = settle(spending, claim(number, 0.5), now)
    assert [entry.session_id for entry in spending.running] == [claim(0).session_id]
    assert (len(spending.entries), len(spending.days)) == (KEPT_ENTRIES + 1, KEPT_DAYS)
    assert len(encode_spending(spending)) < 4096


def test_the_record_reads_back() -> None:
    """Entries and days come back as they were written."""
    spending = Spending((Entry(claim().session_id, 3, NOW, 0.25, 0.5),), {"2026-09-21": 1.25})
    assert decode_spending(encode_spending(spending), "spending") == spending
    assert decode_spending(None, "spending") == Spending()


@pytest.mark.parametrize("body", [b"x", b"[]", b"{}", b'{"schema":1,"entries":[[1]],"days":{}}'])
def test_a_damaged_record_is_named(body: bytes) -> None:
    """What is no spending record is `Corrupt`."""
    with pytest.raises(Corrupt, match="the-record"):
        decode_spending(body, "the-record")


def test_a_newer_record_is_not_guessed_at() -> None:
    """A record of a newer outlive is refused as such."""
    with pytest.raises(SchemaTooNew):
        decode_spending(b'{"schema":2,"entries":[],"days":{}}', "spending")


def test_days_are_utc() -> None:
    """A moment belongs to its day in UTC."""
    assert (day_of(86399.9), day_of(86400.0)) == ("1970-01-01", "1970-01-02")
