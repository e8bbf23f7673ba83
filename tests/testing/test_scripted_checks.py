"""Calls the Messages API would refuse are refused the same way, by the field."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.testing.scripted_model.answers import Decision, Refusal
from outlive.testing.scripted_model.checks import read_call
from outlive.testing.scripted_model.decision import decide

HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
HELLO = {"role": "user", "content": "hello"}
MARK = {"cache_control": {"type": "ephemeral"}}
USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Bash", "input": {}}]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]}


def body(**changes: Any) -> bytes:
    whole = {"model": "m", "max_tokens": 9, "messages": [HELLO], **changes}
    return json.dumps({name: value for name, value in whole.items() if value != "absent"}).encode()


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"{", "The request body is not valid JSON"),
        (b"[" * 200_000, "The request body is not valid JSON"),
        (b"[]", "The request body must be a JSON object."),
        (body(model="absent"), "model: Field required"),
        (body(max_tokens="absent"), "max_tokens: Field required"),
        (body(messages="absent"), "messages: Field required"),
        (body(model=5), "model: Input should be a valid string"),
        (body(max_tokens=True), "max_tokens: Input should be a valid integer"),
        (body(max_tokens=0), "max_tokens: Input should be greater than or equal to 1"),
        (body(stream="yes"), "stream: Input should be a valid boolean"),
        (body(messages=[]), "messages: at least one message is required"),
        (body(messages=["hello"]), "messages.0: Input should be an object"),
        (body(messages=[{"role": "user"}]), "messages.0.content: Field required"),
        (body(messages=[{"role": "tool", "content": "x"}]), 'messages.0.role: Input should be "user"'),
        (body(messages=[{"role": "user", "content": ""}]), "messages.0: user messages must have non-empty content"),
        (body(messages=[{"role": "assistant", "content": "x"}]), "messages: the first message must use the"),
        (body(messages=[{"role": "user", "content": [text(" ")]}]), "messages.0.content.0.text: text content blocks"),
        (body(messages=[{"role": "user", "content": [{}]}]), "messages.0.content.0.type: Field required"),
        (body(messages=[HELLO, USE]), "messages: `tool_use` ids were found without `tool_result`"),
        (body(messages=[HELLO, USE, HELLO, USE]), "messages: `tool_use` ids must be unique"),
        (body(messages=[HELLO, USE, HELLO, {"role": "assistant", "content": "x"}]), "messages.3: `tool_use` ids were"),
        (body(messages=[HELLO, RESULT]), "messages.1: unexpected `tool_use_id` found in `tool_result` blocks"),
        (body(tools=[{"name": "A"}]), "tools.0.input_schema: Field required"),
        (body(tools=[{"name": "A", "type": "x"}] * 2), "tools: Tool names must be unique."),
        (body(tools=[{"name": "A", "input_schema": {"type": "text"}}]), "tools.0.input_schema.type: text is no"),
        (body(system=[{"type": "text"}]), "system.0.text.text: Field required"),
        (body(system=[text("x", **MARK)] * 5), "A maximum of 4 blocks with cache_control may be provided. Found 5."),
        (body(cache_control={"type": "ephemeral", "ttl": "2h"}), "cache_control: use"),
        (body(output_config={"format": 1}), "output_config.format: Input should be an object"),
    ],
)
def test_a_bad_body_is_refused_by_field(raw, problem):
    """A body that the API would not take is answered 400, with a message that starts at the field."""
    refusal = read_call(HEADERS, raw)
    assert (refusal.status, refusal.message[: len(problem)]) == (400, problem)


@pytest.mark.parametrize(
    ("headers", "status", "named"),
    [
        ({"anthropic-version": "1"}, 401, "x-api-key"),
        ({"x-api-key": "k"}, 400, "anthropic-version"),
    ],
)
def test_headers_are_required(headers, status, named):
    """A call without credentials or without a version is refused, and the header is named."""
    refusal = read_call(headers, body())
    assert (refusal.status, named in refusal.message) == (status, True)


def test_an_unknown_model_is_not_found():
    """Where the models are listed, any other name is answered 404."""
    refusal = read_call(HEADERS, body(), models=["claude"])
    assert (refusal.status, refusal.message) == (404, "model: m")


@pytest.mark.parametrize(
    "messages",
    [
        [HELLO, USE, RESULT],
        [HELLO, {"role": "system", "content": [], "output_config": {"effort": "low"}}],
        [HELLO, USE, {"role": "system", "content": "still there?"}, RESULT],
        [{"role": "user", "content": [text("a"), {"type": "image", "source": {}}]}],
    ],
)
def test_what_the_client_really_sends_is_taken(messages):
    """Shapes of real requests pass: results, empty system messages, images, system messages between call and result."""
    assert read_call({"authorization": "Bearer x", **HEADERS}, body(messages=messages))["messages"] == messages


def test_counting_needs_no_max_tokens():
    """A request to count tokens is taken without max_tokens."""
    assert read_call(HEADERS, body(max_tokens="absent"), counting=True)["model"] == "m"


_VALUES = st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.text(max_size=3), st.just([]), st.just({}))


@given(data=st.data())
def test_any_damaged_body_is_refused_or_answered(data):
    """A body with any one value replaced is refused with a message, or answered; nothing else happens."""
    use = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "ok"}]}
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}, "minItems": 1}}}
    whole: dict[str, Any] = {
        "model": "m",
        "max_tokens": 99,
        "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
        "tools": [
            {"name": "Bash", "input_schema": {}, "type": "x"},
            {"name": "StructuredOutput", "input_schema": schema},
        ],
        "tool_choice": {"type": "auto"},
        "metadata": {"user_id": "u"},
        "output_config": {"format": {"type": "json_schema", "schema": copy.deepcopy(schema)}},
        "messages": [
            {"role": "user", "content": "run `ls` then what is my name?"},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ],
    }
    damaged = _damaged(copy.deepcopy(whole), data)
    found = read_call(HEADERS, json.dumps(damaged).encode())
    outcome = found if isinstance(found, Refusal) else decide(found)
    assert isinstance(outcome, Refusal | Decision)


def _damaged(value: Any, data: st.DataObject) -> Any:
    """`value` with one of its parts, at any depth, replaced or removed."""
    if not isinstance(value, dict | list) or not value or data.draw(st.integers(0, 4)) == 0:
        return data.draw(_VALUES)
    key = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
    if data.draw(st.integers(0, 5)) == 0:
        del value[key]
    else:
        value[key] = _damaged(value[key], data)
    return value
