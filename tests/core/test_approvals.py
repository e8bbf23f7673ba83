"""Questions and answers: what stands for a call, who may answer until when, and the forms they travel in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.core.answers import CHOICES, Answer, answer_in, answer_text, check_answer
from outlive.core.approvals import (
    SHOWN_INPUT,
    Approval,
    Decided,
    DeferredCall,
    Refused,
    ask,
    call_digest,
    judge,
    question_text,
)
from outlive.core.keys import SessionId, session_key
from outlive.core.messages import Inbound, check_inbound, decode_inbound, encode_inbound
from outlive.core.sessions import Head, decode_head, encode_head
from outlive.errors import Corrupt, Invalid, TooLarge

CALL = DeferredCall("toolu_1", "Bash", '{"command": "git push"}', "Bash(git push *)", "git push")
OPEN = ask(CALL, message_id="m1", sender="ada", at=1000.9, seconds=60)
HEAD = Head(SessionId("0" * 32), "acme:console:ada:default", 1.0, 2.0)
ONCE = Answer(OPEN.id, "once")
TEXTS = st.text(max_size=20)
PLAIN = st.none() | st.booleans() | st.integers() | TEXTS
VALUES = st.recursive(PLAIN, lambda inner: st.dictionaries(TEXTS, inner, max_size=4), max_leaves=10)


@given(st.dictionaries(TEXTS, VALUES, max_size=8))
def test_the_order_of_arguments_does_not_matter(arguments: dict[str, object]) -> None:
    """The digest of a call is the same whatever the order of its arguments, and after a trip through JSON."""
    turned = dict(reversed(json.loads(json.dumps(arguments)).items()))
    assert call_digest("t", "Bash", turned) == call_digest("t", "Bash", arguments)


@pytest.mark.parametrize("other", [("t2", "Bash", {"a": 1}), ("t", "Write", {"a": 1}), ("t", "Bash", {"a": 2})])
def test_another_call_has_another_digest(other: tuple[str, str, object]) -> None:
    """Another id, tool or argument gives another digest."""
    assert call_digest(*other) != call_digest("t", "Bash", {"a": 1})


def test_whoever_asked_may_answer_in_time() -> None:
    """The answer of the sender, before the question expires, allows exactly the call of its digest."""
    assert judge(OPEN, ONCE, sender="ada", at=1059.9) == Decided(OPEN.digest, allowed=True)


def test_a_denial_tells_the_model_why() -> None:
    """The verdict of a denial carries the note."""
    decided = judge(OPEN, Answer(OPEN.id, "deny", "not today"), sender="ada", at=1001)
    assert isinstance(decided, Decided)
    assert not decided.allowed
    assert "not today" in decided.reason


@pytest.mark.parametrize(
    ("open_", "answer", "sender", "at", "why"),
    [
        (None, ONCE, "ada", 1001, "Nothing is waiting"),
        (OPEN, Answer("00000000", "once"), "ada", 1001, "not open"),
        (OPEN, ONCE, "ada", 1060, "expired"),
        (OPEN, ONCE, "eve", 1001, "not yours"),
        (OPEN, ONCE, "", 1001, "not yours"),
    ],
)
def test_an_answer_that_does_not_count_says_why(
    open_: Approval | None, answer: Answer, sender: str, at: float, why: str
) -> None:
    """No question, another question, too late, or somebody else: refused with the reason."""
    refused = judge(open_, answer, sender=sender, at=at)
    assert isinstance(refused, Refused)
    assert why in refused.reason


def test_approvers_may_answer_for_others() -> None:
    """A sender on the list of approvers may answer a question that somebody else's message led to."""
    assert isinstance(judge(OPEN, ONCE, sender="eve", at=1001, approvers=("eve",)), Decided)


def test_anybody_may_answer_a_question_that_nobody_is_known_to_have_led_to() -> None:
    """Without a sender on the question everyone in the chat may answer."""
    assert isinstance(judge(replace(OPEN, sender=""), ONCE, sender="eve", at=1001), Decided)


@given(st.sampled_from(CHOICES), st.text("0123456789abcdef", min_size=8, max_size=8), st.text(max_size=30))
def test_an_answer_in_words_is_read_back(choice, approval_id: str, note: str) -> None:
    """What `answer_text` writes, `answer_in` reads."""
    answer = Answer(approval_id, choice, note.strip())
    assert answer_in(answer_text(answer)) == answer


@pytest.mark.parametrize(
    "text", ["yes", "/once", "/once 1234", "/once 12345678x", "do /once 12345678", "/maybe 12345678"]
)
def test_other_words_are_no_answer(text: str) -> None:
    """Whatever is not a command with a question's id is an ordinary message."""
    assert answer_in(text) is None


@pytest.mark.parametrize("answer", [Answer("12345678", "perhaps"), Answer("1234567G", "once"), Answer("", "deny")])
def test_a_malformed_answer_is_refused(answer: Answer) -> None:
    """A choice or an id that cannot be is `Invalid`, before anything is queued."""
    with pytest.raises(Invalid):
        check_inbound(Inbound(session_key("acme", "console", "ada"), "m", "x", 1.0, answer=answer))


def test_a_note_has_a_limit() -> None:
    """A note of more than 2,000 bytes is refused."""
    with pytest.raises(TooLarge):
        check_answer(Answer("12345678", "deny", "x" * 2001))


def test_a_message_with_an_answer_is_read_back() -> None:
    """An answer survives the queue."""
    inbound = Inbound(session_key("acme", "console", "ada"), "m", "/once", 1.5, "ada", Answer(OPEN.id, "deny", "no"))
    assert decode_inbound(encode_inbound(inbound)) == inbound


def test_a_message_without_an_answer_is_what_older_workers_read() -> None:
    """Its form is that of schema 1, which has six fields."""
    fields = json.loads(encode_inbound(Inbound(session_key("acme", "console", "ada"), "m", "x", 1.5)))
    assert (fields[0], len(fields)) == (1, 6)


@pytest.mark.parametrize("answer", [["12345678"], "once", ["a", "once", "n", "more"], 7])
def test_a_garbled_answer_in_the_queue_is_corrupt(answer: object) -> None:
    """An answer of the wrong shape is reported as `Corrupt`."""
    with pytest.raises(Corrupt):
        decode_inbound(json.dumps([2, "acme:console:ada:default", "m", "x", 1.5, "", answer]).encode())


def test_a_head_with_a_question_is_read_back() -> None:
    """The open question and the lifted rules survive the table."""
    head = replace(HEAD, approval=OPEN, lifted_rules=("Write", "Bash(git push *)"))
    assert decode_head(encode_head(head), "head") == head


def test_a_head_without_one_is_what_older_workers_read() -> None:
    """It is written in schema 1 and without the new fields."""
    fields = json.loads(encode_head(HEAD))
    assert fields["schema"] == 1
    assert not {"approval", "lifted_rules"} & fields.keys()


def test_a_garbled_question_in_a_head_is_corrupt() -> None:
    """A question that lacks a field is reported as `Corrupt`."""
    fields = json.loads(encode_head(replace(HEAD, approval=OPEN)))
    del fields["approval"]["digest"]
    with pytest.raises(Corrupt):
        decode_head(json.dumps(fields).encode(), "head")


def test_a_question_is_small() -> None:
    """A long command takes no more than 450 bytes of the head."""
    call = replace(CALL, summary="x" * 1000, input_json=json.dumps({"command": "x" * 100_000}))
    question = ask(call, message_id="telegram-update-1234567890", sender="1234567890", at=1_790_000_000, seconds=1800)
    assert len(encode_head(replace(HEAD, approval=question))) - len(encode_head(HEAD)) < 450


def test_the_question_shows_the_whole_call_or_says_what_it_leaves_out() -> None:
    """The end of a long command that is not shown is counted."""
    assert "git push" in question_text(CALL, OPEN)
    long = replace(CALL, input_json=json.dumps({"command": "x" * (SHOWN_INPUT + 90)}))
    assert f"{90 + len('command: ')} more characters" in question_text(long, OPEN)
