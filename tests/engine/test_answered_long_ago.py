"""Messages that have left the head's window of 64: found again for good, and looked for once by each worker."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.core.keys import message_digest
from outlive.core.sessions import ANSWERED_WINDOW, Answered, Head
from outlive.core.turns import CLOCK_MARGIN
from outlive.flows.run_turn import run_turn
from outlive.flows.turn.known_answers import KnownAnswers
from outlive.flows.turn.search_ledger import _lines
from tests.engine.compacting import COMPACT, CompactingAgent

BEFORE, SINCE = 5, 67
"""Messages of the same hour before and after a compaction."""


@pytest.fixture
async def busy(world):
    """A session of seventy-two messages in six minutes, compacted early on, and the worker that has run it."""
    world.agent = CompactingAgent()
    engine = world.worker("a")
    for number in range(BEFORE + SINCE):
        await world.turn(engine, COMPACT if number == BEFORE else f"text {number}", f"m{number}")
        world.clock.advance(5)
    return world, engine


@pytest.mark.promise("P11")
async def test_a_busy_session_reads_no_object_on_a_warm_machine(busy) -> None:
    """With more messages in an hour than the head remembers, a later turn of a machine with a window reads none."""
    world, _ = busy
    engine = world.worker("b")
    first = await world.turn(engine, "first", "n1")
    assert "window" in next(step.found for step in first.trace.steps if step.name == "hydrate")
    read = []
    for number in range(3):
        before = world.counts.copy()
        await world.turn(engine, "later", f"later {number}")
        read.append((world.counts - before).objects_get)
    assert min(read) == 0  # one of them may merge packs, and need what the window left in its pack


@pytest.mark.promise("P2")
async def test_what_was_answered_before_the_window_is_not_run_again(busy) -> None:
    """A repeat of the first message, of the compacting or of the newest one runs nothing, wherever it comes."""
    world, engine = busy
    sent_at = world.clock.now() - 5 * (BEFORE + SINCE)
    for host in (engine, world.worker("b"), world.worker("b")):
        await world.turn(host, "more", f"n{len(world.agent.runs)}")
        runs = len(world.agent.runs)
        for number in (0, BEFORE, BEFORE + SINCE - 1):
            again = replace(world.message("again", f"m{number}"), sent_at=sent_at)
            assert (await run_turn(host, again)).line.message_id == f"m{number}"
        assert len(world.agent.runs) == runs


async def test_no_history_is_read_that_is_older_than_the_message(busy) -> None:
    """Hours later a new host in a busy hour reads its window's packs and none of what lies before it."""
    world, _ = busy
    world.clock.advance(3 * CLOCK_MARGIN)
    engine = world.worker("a")
    for number in range(ANSWERED_WINDOW + 2):
        await world.turn(engine, "late", f"l{number}")
        world.clock.advance(1)
    before = world.counts.copy()
    turn = await world.turn(world.worker("new"), "now", "n1")
    hydrated = next(step.found for step in turn.trace.steps if step.name == "hydrate")
    assert f"packs: {(world.counts - before).objects_get}, " in hydrated


# ------------------------------------------------------------------------------------------ what is known

HEAD = Head("s", "k", 0.0, 0.0, lineage=1)


def head_of(*numbers: int, lineage: int = 1) -> Head:
    """A head that remembers these messages."""
    answered = tuple(Answered(message_digest(f"m{each}"), each, 10 * each, each) for each in numbers)
    return replace(HEAD, answered=answered, lineage=lineage)


@pytest.mark.promise("P2")
@pytest.mark.parametrize(
    ("head", "message", "sent_at", "found"),
    [
        (head_of(8, 9, 10), "new", 9000.0, True),
        (head_of(8, 9, 10), "m3", 9000.0, False),
        (head_of(8, 9, 10), "m10", 9000.0, False),
        (head_of(8, 9, 10), "new", 4000.0, False),
        (head_of(10, 11), "new", 9000.0, False),
        (head_of(8, 9, 10, lineage=2), "new", 9000.0, False),
    ],
    ids=["new", "seen", "added", "sent before what was seen", "a gap", "rewound"],
)
def test_only_what_was_not_answered_for_certain_is_ruled_out(head, message, sent_at, found) -> None:
    """A message is ruled out when everything from its time on was seen, up to the head that is asked about."""
    known = KnownAnswers()
    known.learn("acme", head_of(7, 8, 9), 1000.0, [f"m{each}" for each in range(10)])
    assert known.rules_out("acme", head, message, sent_at) is found
    assert not known.rules_out("other", head, message, sent_at)


def test_what_was_asked_for_least_recently_is_forgotten_first() -> None:
    """Beyond its limit the worker forgets whole sessions, and then looks them up again."""
    known = KnownAnswers(most=5)
    for name in ("a", "b"):
        known.learn("acme", replace(head_of(1), session_id=name), 0.0, ["x", "y"])
    assert not known.rules_out("acme", replace(head_of(1), session_id="a"), "new", 9000.0)
    assert known.rules_out("acme", replace(head_of(1), session_id="b"), "new", 9000.0)


@pytest.mark.promise("P2")
@given(st.binary(max_size=40).map(lambda raw: raw.replace(b"a", b"\n")), st.lists(st.integers(0, 40), max_size=6))
@settings(deadline=None)
async def test_lines_are_the_same_however_they_are_cut(content: bytes, cuts: list[int]) -> None:
    """A file that is read from its end, in pieces of any length, has each of its lines once, in turn."""
    edges = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})

    async def pieces():
        for start, end in reversed(list(pairwise(edges))):
            yield content[start:end]

    assert [line async for line in _lines(pieces())] == list(reversed(content.split(b"\n")))
