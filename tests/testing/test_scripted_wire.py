"""A message in pieces is the same message, and faults do what they are ordered to."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.errors import Invalid
from outlive.testing.scripted_model import Cut, Fail, Stall
from outlive.testing.scripted_model.answers import Break, Refusal, Reply, ToolCall
from outlive.testing.scripted_model.face import MessagesFace
from outlive.testing.scripted_model.faults import FaultQueue, fault_from
from outlive.testing.scripted_model.usage import Usage
from outlive.testing.scripted_model.wire import error_headers, message_json, stream_events, stream_pieces, whole_pieces

USAGE = Usage(fresh=1, written_5m=2, written_1h=3, read=4)
CALLS = st.builds(ToolCall, st.just("Bash"), st.dictionaries(st.text(), st.text() | st.integers()))
REPLIES = st.builds(Reply, text=st.text(), thinking=st.text(), calls=st.lists(CALLS, max_size=3).map(tuple))


def message(reply: Reply) -> dict[str, Any]:
    numbers = itertools.count()
    return message_json(reply, "m", USAGE, lambda prefix: f"{prefix}{next(numbers)}")


def put_together(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a client builds from a stream."""
    whole = dict(events[0]["message"])
    for event in events:
        match event:
            case {"content_block": block}:
                whole["content"] = [*whole["content"], {**block, "json": ""}]
            case {"delta": {"type": "input_json_delta", "partial_json": piece}}:
                whole["content"][-1]["json"] += piece
            case {"delta": {"type": _, **piece}}:
                ((field, value),) = piece.items()
                whole["content"][-1][field] += value
            case {"type": "message_delta", "delta": end, "usage": usage}:
                whole |= {**end, "usage": usage}
    for block in whole["content"]:
        pieces = block.pop("json")
        block.update({"input": json.loads(pieces)} if pieces else {})
    return whole


@given(REPLIES)
def test_a_stream_carries_the_message_exactly(reply):
    """Whatever a message holds, a client that puts its deltas together gets that message."""
    sent = message(reply)
    assert put_together(list(stream_events(sent))) == sent


def test_events_come_in_the_order_of_the_api():
    """A stream opens with message_start and ping, frames each block, and ends with message_delta and message_stop."""
    kinds = [event["type"] for event in stream_events(message(Reply("one two", (ToolCall("Bash", {}),))))]
    block = ["content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"]
    assert kinds == ["message_start", "ping", *block, *block, "message_delta", "message_stop"]


def test_silences_stand_where_they_are_asked_for():
    """A stall follows the opening of a stream, and the pace stands before every delta."""
    pieces = stream_pieces(message(Reply("one two")), MessagesFace(None).encode, pace=0.5, stall=9.0)
    assert [piece for piece in pieces if isinstance(piece, float)] == [9.0, 0.5, 0.5]
    assert [isinstance(piece, float) for piece in pieces[:3]] == [False, False, True]
    assert whole_pieces(message(Reply("one")), stall=9.0)[0] == 9.0


def test_usage_is_told_in_the_apis_fields():
    """The four kinds of input tokens and the output tokens stand in the fields the API documents."""
    usage = message(Reply("12345678"))["usage"]
    assert (usage["input_tokens"], usage["cache_creation_input_tokens"], usage["cache_read_input_tokens"]) == (1, 5, 4)
    assert usage["cache_creation"] == {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3}
    assert usage["output_tokens"] == len('{"type": "text", "text": "12345678"}') // 4


@pytest.mark.parametrize(
    ("refusal", "headers"),
    [(Refusal(429, ""), {"retry-after": "1"}), (Refusal(529, "", 0.5), {"retry-after": "0.5"}), (Refusal(500, ""), {})],
)
def test_a_refusal_tells_when_to_retry(refusal, headers):
    """A rate limit always tells when to retry, other errors where it is asked for."""
    assert error_headers(refusal) == headers


def test_faults_strike_in_order_and_run_out():
    """Each ordered fault meets one answer, in the order given, as often as asked, and then no more."""
    faults = FaultQueue([Fail(529, times=2), Cut(after=1), Stall(5.0)])
    struck = [faults.strike(Reply("ok")) for _ in range(6)]
    overloaded = Refusal(529, "Ordered error 529.")
    assert struck[:3] == [overloaded, overloaded, Reply("ok")]
    assert struck[3:] == [Break(Reply("ok")), Reply("ok", stall=5.0), Reply("ok")]


@pytest.mark.parametrize(
    ("order", "named"),
    [
        ({"fault": "burn"}, "fault: unknown or missing. Use one of fail, fail_in_stream, cut, stall."),
        ([], "fault: unknown or missing."),
        ({"fault": "fail", "status": 418}, "Fail.status: 418 is no status of the Messages API."),
        ({"fault": "fail"}, "fault: "),
        ({"fault": "stall", "seconds": "long"}, "Stall.seconds: "),
        ({"fault": "cut", "times": 0}, "Cut.times: 0 "),
        ({"fault": "cut", "times": "2"}, "Cut.times: 2 "),
        ({"fault": "cut", "after": -1}, "Cut.after: -1 "),
    ],
)
def test_a_bad_order_is_refused_by_field(order, named):
    """A fault that cannot be ordered is refused, and the field is named."""
    with pytest.raises(Invalid) as caught:
        FaultQueue([fault_from(order)])
    assert str(caught.value).startswith(named)
