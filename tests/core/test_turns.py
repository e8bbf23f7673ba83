"""What a turn decides: answered before or not, what a dead worker left, and the head after the commit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.core.keys import SessionId, message_digest, session_key
from outlive.core.messages import Inbound
from outlive.core.packs import PackRef, pack_name
from outlive.core.sessions import ANSWERED_WINDOW, TITLE_LENGTH, Answered, Head, Pending, Summary, delivered
from outlive.core.turns import (
    CLOCK_MARGIN,
    Adopt,
    Continue,
    CrashPolicy,
    Flush,
    Known,
    New,
    Start,
    TurnResult,
    Unsure,
    after_crash,
    committed,
    lease_renewal,
    ledger_line,
    look_up,
)

NOW = 1_790_000_000.0
KEY = session_key("acme", "telegram", "42")
EMPTY = Head(SessionId("0" * 32), str(KEY), NOW, NOW, region="eu", last_active_region="us")
PACKS = (PackRef(pack_name(1, 1, 1), 700, "d" * 32, 2400),)
DONE = TurnResult("hello Ada", "agent-1", "end_turn", usd=0.25, input_tokens=10, output_tokens=2, cache_read_tokens=5)


def inbound(message_id: str, text: str = "hello") -> Inbound:
    """A message of Ada's."""
    return Inbound(KEY, message_id, text, NOW, "ada")


def after_turn(head: Head, message_id: str, *, at: float = NOW, text: str = "hello") -> Head:
    """The head after one more turn, whose ledger line is a hundred bytes long."""
    line = ledger_line(head, inbound(message_id, text), DONE, at=at, fence=3, worker="w")
    return committed(head, line, fence=3, ledger_size=head.ledger_size + 100, packs=PACKS, region="local")


def after_turns(*times: float) -> Head:
    """The head after turns `m-0`, `m-1` ... were committed at these times."""
    head = EMPTY
    for number, at in enumerate(times):
        head = after_turn(head, f"m-{number}", at=at)
    return head


def test_the_head_says_which_prompt_answered() -> None:
    """The prompt version of a turn is in the head, and stays there when a later turn asked nobody."""
    head = EMPTY
    for version in ("a" * 32, "b" * 32, ""):
        line = ledger_line(head, inbound("m"), replace(DONE, prompt_version=version), at=NOW, fence=3, worker="w")
        head = committed(head, line, fence=3, ledger_size=100, packs=PACKS, region="local")
    assert (line.prompt_version, head.prompt_version) == ("", "b" * 32)


# ------------------------------------------------------------------------------- has it been answered?


def test_a_first_message_is_new() -> None:
    """A session that has answered nothing knows no message, however old it is."""
    assert look_up(EMPTY, "m-0", 0.0) == New()


def test_a_message_in_the_window_is_known() -> None:
    """A repeat of a recent message is answered by its turn, found at its place in the ledger, whenever it was sent."""
    head = after_turns(NOW, NOW + 60, NOW + 120)
    assert look_up(head, "m-1", NOW + 10**9) == Known(Answered(message_digest("m-1"), 2, 100, int(NOW) + 60))


def test_a_full_window_that_has_lost_nothing_is_sure() -> None:
    """While no message has left the window, one that is not in it is new."""
    assert look_up(after_turns(*[NOW] * ANSWERED_WINDOW), "other", NOW - 10**6) == New()


@pytest.mark.parametrize(
    ("sent_at", "found"),
    [
        (0.0, Unsure()),
        (NOW, Unsure()),
        (NOW + 0.9 + CLOCK_MARGIN, Unsure()),
        (NOW + 1.0 + CLOCK_MARGIN, New()),
        (NOW + 10**6, New()),
    ],
)
def test_a_message_that_may_be_older_than_the_window_is_unsure(sent_at: float, found: New | Unsure) -> None:
    """Once a message has left the window, one sent up to an hour after that one's turn is looked up in the ledger."""
    head = after_turns(NOW + 0.9, *[NOW + 10**5] * ANSWERED_WINDOW)
    assert look_up(head, "m-0", sent_at) == found


@pytest.mark.promise("P2")
@given(st.lists(st.tuples(st.integers(0, 10**5), st.integers(1, 7000)), min_size=1, max_size=ANSWERED_WINDOW + 20))
@settings(deadline=None, max_examples=60)
def test_an_answered_message_is_never_new(turns: list[tuple[int, int]]) -> None:
    """However worker clocks jump about, a repeat sent less than the margin after its turn is never run again."""
    head = after_turns(*(NOW + at for at, _ in turns))
    for number, (at, lead) in enumerate(turns):
        found = look_up(head, f"m-{number}", NOW + at + CLOCK_MARGIN - lead)
        in_window = number >= len(turns) - ANSWERED_WINDOW
        assert isinstance(found, Known if in_window else Unsure)


# --------------------------------------------------------------------------- what did a dead holder leave?


def flush(fence: int, seq: int = 1, *, message_id: str = "m", agent: str | None = "a", complete: bool = False) -> Flush:
    """What the holder of this fence left."""
    ref = PackRef(pack_name(8, fence, seq), 1, "", 1)
    return Flush(ref, fence, message_id, "", agent, complete)


CONTINUE, RERUN = CrashPolicy.CONTINUE, CrashPolicy.RERUN


@pytest.mark.parametrize(
    ("flushes", "policy", "plan"),
    [
        ([], CONTINUE, Start()),
        ([], RERUN, Start()),
        ([flush(2)], CONTINUE, Continue(flush(2))),
        ([flush(2)], RERUN, Start()),
        ([flush(2, agent=None)], CONTINUE, Start()),
        ([flush(2, complete=True)], CONTINUE, Adopt(flush(2, complete=True))),
        ([flush(2, complete=True)], RERUN, Adopt(flush(2, complete=True))),
        ([flush(2, complete=True, agent=None)], CONTINUE, Adopt(flush(2, complete=True, agent=None))),
        ([flush(2), flush(3)], CONTINUE, Continue(flush(3))),
        ([flush(3), flush(2)], CONTINUE, Continue(flush(3))),
        ([flush(2, 9), flush(2, 10)], CONTINUE, Continue(flush(2, 10))),
        ([flush(9), flush(10)], CONTINUE, Continue(flush(10))),
        ([flush(2, complete=True), flush(3)], CONTINUE, Adopt(flush(2, complete=True))),
        ([flush(2, message_id="n")], CONTINUE, Start()),
        ([flush(2, message_id="n", complete=True)], CONTINUE, Start()),
        ([flush(2), flush(3, message_id="n")], CONTINUE, Continue(flush(2))),
        ([flush(2), flush(3, message_id="n", complete=True)], RERUN, Start()),
    ],
)
def test_what_becomes_of_a_dead_workers_turn(
    flushes: list[Flush], policy: CrashPolicy, plan: Start | Continue | Adopt
) -> None:
    """A finished turn is adopted, a started one continued or rerun by policy, another message's left alone."""
    assert after_crash(flushes, "m", policy) == plan


# --------------------------------------------------------------------------------- the head after a commit


def test_a_commit_moves_the_head_by_one() -> None:
    """The next version has the agent's session, the packs, the ledger's length and the fence of this turn."""
    head = after_turn(EMPTY, "m-0", at=NOW + 5.5)
    assert (head.version, head.ledger_size, head.clean_fence, head.packs) == (1, 100, 3, PACKS)
    assert (head.agent_session_id, head.updated_at) == ("agent-1", NOW + 5.5)
    kept = (head.session_id, head.key, head.created_at, head.profile, head.lineage, head.region)
    assert kept == (EMPTY.session_id, EMPTY.key, EMPTY.created_at, EMPTY.profile, EMPTY.lineage, EMPTY.region)


@pytest.mark.parametrize("turns", [1, ANSWERED_WINDOW, ANSWERED_WINDOW + 1, 3 * ANSWERED_WINDOW])
def test_the_window_holds_the_newest_messages(turns: int) -> None:
    """After any number of turns the window has the newest 64, each with its turn and where its line starts."""
    head = after_turns(*(NOW + 60 * number for number in range(turns)))
    newest = range(max(turns - ANSWERED_WINDOW, 0), turns)
    assert head.answered == tuple(Answered(message_digest(f"m-{n}"), n + 1, 100 * n, int(NOW) + 60 * n) for n in newest)
    assert head.answered_until == (int(NOW) + 60 * (newest[0] - 1) if newest[0] else 0)


def test_a_clock_that_goes_back_does_not_shorten_the_memory() -> None:
    """When the worker of a later turn has a slow clock, the head still knows the latest time that left its window."""
    head = after_turns(NOW + 5000, NOW, *[NOW + 9000] * ANSWERED_WINDOW)
    assert head.answered_until == int(NOW) + 5000


@pytest.mark.promise("P3")
def test_a_reply_waits_in_the_outbox_until_it_is_delivered() -> None:
    """Each commit puts its reply behind those that still wait, with the place of its text in the ledger."""
    head = after_turns(NOW, NOW)
    waiting = tuple(Pending(f"m-{n}", str(KEY), n + 1, 100 * n) for n in (0, 1))
    assert head.outbox == waiting
    assert after_turn(delivered(head, "m-0"), "m-2").outbox == (waiting[1], Pending("m-2", str(KEY), 3, 200))


def test_the_summary_adds_up() -> None:
    """The summary counts turns, money and tokens of every commit."""
    head = after_turns(*[NOW] * 10)
    assert replace(head.summary, title="") == Summary("", 10, 2.5, 100, 20, 50)


def test_many_small_sums_do_not_drift() -> None:
    """A thousand turns of a tenth of a cent cost one dollar to the microdollar."""
    cheap = replace(DONE, usd=0.001)
    head = EMPTY
    for number in range(1000):
        line = ledger_line(head, inbound(str(number)), cheap, at=NOW, fence=1, worker="w")
        head = committed(head, line, fence=1, ledger_size=0, packs=(), region="local")
    assert head.summary.usd == 1.0


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("hello", "hello"),
        (" a\n\tb  c ", "a b c"),
        ("x" * 200, "x" * TITLE_LENGTH),
        ("\U0001f600" * 90, "\U0001f600" * 80),
    ],
)
def test_the_title_is_the_first_message(text: str, title: str) -> None:
    """A session is called by the first 80 characters of its first message, on one line, and keeps that name."""
    head = after_turn(EMPTY, "m-0", text=text)
    assert head.summary.title == title
    assert after_turn(head, "m-1", text="something else").summary.title == title


def test_a_ledger_line_says_all_about_its_turn() -> None:
    """The line of a turn has the next turn and version, who asked what, and what the agent answered and used."""
    head = replace(EMPTY, version=8, summary=Summary(turns=5))
    line = ledger_line(head, inbound("m-9", "my name?"), DONE, at=NOW, fence=4, worker="host:7")
    assert (line.turn, line.version, line.at, line.fence, line.worker) == (6, 9, NOW, 4, "host:7")
    assert (line.message_id, line.session_key, line.sender, line.text) == ("m-9", str(KEY), "ada", "my name?")
    assert (line.reply, line.agent_session_id, line.stop_reason, line.is_error) == (
        "hello Ada", "agent-1", "end_turn", False
    )  # fmt: skip
    used = (line.usd, line.input_tokens, line.output_tokens, line.cache_read_tokens, line.cache_write_tokens)
    assert used == (0.25, 10, 2, 5, 0)


def test_two_renewals_may_fail_before_a_lease_runs_out() -> None:
    """A lease of 30 seconds is renewed every ten."""
    assert lease_renewal(30.0) == 10.0
