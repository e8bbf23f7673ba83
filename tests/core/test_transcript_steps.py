"""What the agent did in a turn, out of its transcript."""

from __future__ import annotations

import pytest

from outlive.core.transcript_steps import MAX_TEXT, image_in, messages_of, steps_of, time_of

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}}


def said(content, **more):
    """An entry of the user."""
    return {"type": "user", "uuid": "u1", "message": {"content": content}} | more


def answered(*blocks):
    """An entry of the agent."""
    return {"type": "assistant", "uuid": "a1", "message": {"content": list(blocks)}}


CALL = {"type": "tool_use", "id": "t1", "name": "Read", "input": {"file_path": "a.png"}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "read"}, PNG]}


def test_the_prompt_is_no_step() -> None:
    """The first text of a user is left out, a later one is something that was said meanwhile."""
    found = steps_of([said("do it"), said("and quickly")], {})
    assert [(step.kind, step.text) for step in found] == [("said", "and quickly")]


def test_a_result_belongs_to_its_call() -> None:
    """A tool's result, its failure and its images are told with the call."""
    (step,) = steps_of([said("x"), answered(CALL), said([RESULT | {"is_error": True}], uuid="u2")], {})
    assert step.call is not None
    assert (step.call.name, step.call.result, step.call.status) == ("Read", "read", "failed")
    assert step.images == ("u2.0.1",)


def test_a_subagent_is_inside_its_call() -> None:
    """The steps of a subagent are those of the call that started it, and no deeper than five."""
    inner = [said("look"), answered({"type": "text", "text": "seen"}, CALL)]
    (step,) = steps_of([said("x"), answered(CALL)], {"t1": inner})
    depth = 0
    while step.call and step.call.steps:
        assert step.call.steps[0].text == "seen"
        step, depth = step.call.steps[-1], depth + 1
    assert depth == 5


def test_a_long_text_is_cut_and_says_so() -> None:
    """Of a text over the limit the beginning is told, and how much is left out."""
    (step,) = steps_of([said("x"), answered({"type": "text", "text": "y" * (MAX_TEXT + 7)})], {})
    assert (len(step.text), step.left_out) == (MAX_TEXT, 7)


def test_an_image_is_found_by_its_id() -> None:
    """An image is found by the id that a step gave; of another type than browsers show, it is not."""
    entry = said([RESULT])
    assert image_in([entry], "u1.0.1") == ("image/png", "aGVsbG8=")
    assert image_in([entry], "u1.0.0") is None
    svg = PNG | {"source": PNG["source"] | {"media_type": "image/svg+xml"}}
    assert image_in([said([svg])], "u1.0.0") is None


def test_bookkeeping_is_left_out() -> None:
    """Entries that are no message, or the CLI's own words, are no part of a conversation."""
    kept = said("hello")
    assert messages_of([{"type": "attachment"}, said("caveat", isMeta=True), kept, {"type": "user"}]) == [kept]


@pytest.mark.parametrize("stamp", [None, "yesterday", 7])
def test_an_entry_without_a_time_is_of_old(stamp) -> None:
    """A time that cannot be read counts as the beginning of all."""
    assert time_of({"timestamp": stamp}) == 0.0
    assert time_of({"timestamp": "1970-01-01T00:00:02.500Z"}) == 2.5


@pytest.mark.parametrize("content", [None, 3, ["text"], [{"type": "tool_result", "tool_use_id": "nobody"}]])
def test_odd_content_is_no_step(content) -> None:
    """Content of a shape that nobody knows is left out and breaks nothing."""
    assert steps_of([said("x"), said(content)], {}) == ()
