"""Whether a call is one the Messages API would take; the refusals name the field, as the API's do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from outlive.testing.scripted_model.answers import Json, Refusal
from outlive.testing.scripted_model.request import blocks
from outlive.testing.scripted_model.shapes import schema_of, schema_problem

_Types: TypeAlias = Mapping[str, type | tuple[type, ...]]

_COUNTED: _Types = {"model": str, "messages": list}
_ASKED: _Types = {**_COUNTED, "max_tokens": int}
_OPTIONAL: _Types = {
    "system": (str, list),
    "tools": list,
    "tool_choice": dict,
    "metadata": dict,
    "output_config": dict,
    "output_format": dict,
    "cache_control": dict,
    "stream": bool,
}
_MESSAGE: _Types = {"role": str, "content": (str, list)}
_BLOCKS: Mapping[str, _Types] = {
    "text": {"text": str},
    "tool_use": {"id": str, "name": str, "input": dict},
    "tool_result": {"tool_use_id": str},
}
_BLOCK_OPTIONAL: _Types = {"cache_control": dict, "is_error": bool}
_ROLES = ("user", "assistant", "system")
_UNANSWERED = "`tool_use` ids were found without `tool_result` blocks immediately after:"
_UNASKED = "unexpected `tool_use_id` found in `tool_result` blocks, without its `tool_use` block before it:"
_MOST_MARKS = 4


def read_call(
    headers: Mapping[str, str], raw: bytes, *, models: Sequence[str] | None = None, counting: bool = False
) -> Json | Refusal:
    """The body of a call to /v1/messages, or why the API would not take it.

    `models` refuses every other model name; `counting` is for /v1/messages/count_tokens.
    """
    if not headers.keys() & {"x-api-key", "authorization"}:
        return Refusal(401, "x-api-key header is required")
    if "anthropic-version" not in headers:
        return Refusal(400, "anthropic-version: header is required")
    body = read_body(raw, counting=counting)
    if isinstance(body, Refusal) or models is None or body["model"] in models:
        return body
    return Refusal(404, f"model: {body['model']}")


def read_body(raw: bytes, *, counting: bool, add: Json | None = None) -> Json | Refusal:
    """The body of a call, or why it is refused. `add` are the fields that came another way, and may not be in it."""
    try:
        body: Json = json.loads(raw)
    except (ValueError, RecursionError) as error:
        return Refusal(400, f"The request body is not valid JSON: {error}")
    if add and isinstance(body, dict):
        if double := sorted(add.keys() & body.keys()):
            return Refusal(400, f"{double[0]}: Extra inputs are not permitted")
        body |= add
    problem = next(_problems(body, _COUNTED if counting else _ASKED), None)
    return Refusal(400, problem) if problem else body


def _problems(body: object, required: _Types) -> Iterator[str]:
    """What is wrong, in order; only the first is to be read, as each check relies on those before it."""
    if not isinstance(body, dict):
        yield "The request body must be a JSON object."
        return
    yield from _fields(body, "", required, _OPTIONAL)
    if body.get("max_tokens", 1) < 1:
        yield "max_tokens: Input should be greater than or equal to 1"
    yield from _tools(body.get("tools") or [])
    yield from _content({"content": body.get("system")}, "system")
    yield from _shape(body)
    yield from _messages(body["messages"])
    yield from _pairs(body["messages"])
    yield from _marks(body)


def _fields(value: object, where: str, required: _Types, optional: _Types) -> Iterator[str]:
    """The fields of one object, by name and type; an optional field may be null."""
    if not isinstance(value, dict):
        yield f"{where.rstrip('.')}: Input should be an object"
        return
    for name, kinds in required.items():
        if name not in value:
            yield f"{where}{name}: Field required"
        if not _is(value[name], kinds):
            yield f"{where}{name}: Input should be a valid {_named(kinds)}"
    for name, kinds in optional.items():
        if value.get(name) is not None and not _is(value[name], kinds):
            yield f"{where}{name}: Input should be a valid {_named(kinds)}"


def _is(value: object, kinds: type | tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and (kinds is bool or not isinstance(value, bool))


def _named(kinds: type | tuple[type, ...]) -> str:
    names = {str: "string", list: "list", dict: "object", int: "integer", bool: "boolean"}
    return " or ".join(names[kind] for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))


def _tools(tools: list[object]) -> Iterator[str]:
    names: Counter[str] = Counter()
    for n, tool in enumerate(tools):
        yield from _fields(tool, f"tools.{n}.", {"name": str}, {"input_schema": dict, "cache_control": dict})
        if isinstance(tool, dict):
            if not (tool.get("input_schema") or tool.get("type")):
                yield f"tools.{n}.input_schema: Field required"
            if problem := schema_problem(tool.get("input_schema") or {}):
                yield f"tools.{n}.input_schema{problem}"
            names[tool["name"]] += 1
    if any(times > 1 for times in names.values()):
        yield "tools: Tool names must be unique."


def _shape(body: Json) -> Iterator[str]:
    """The JSON schema that the answer has to follow, if one is set."""
    if not isinstance((body.get("output_config") or {}).get("format") or {}, dict):
        yield "output_config.format: Input should be an object"
    schema = schema_of(body)
    if schema is not None and (problem := schema_problem(schema)):
        yield f"output_config.format.schema{problem}"


def _messages(messages: list[object]) -> Iterator[str]:
    if not messages:
        yield "messages: at least one message is required"
    for n, message in enumerate(messages):
        yield from _fields(message, f"messages.{n}.", _MESSAGE, {})
        if isinstance(message, dict):
            if message["role"] not in _ROLES:
                yield f'messages.{n}.role: Input should be "user", "assistant" or "system"'
            if not message["content"] and message["role"] == "user":
                yield f"messages.{n}: user messages must have non-empty content"
            if n == 0 and message["role"] != "user":
                yield 'messages: the first message must use the "user" role'
            yield from _content(message, f"messages.{n}.content")


def _content(holder: Json, where: str) -> Iterator[str]:
    """The content blocks of a message, of a tool result, or of the system prompt."""
    for n, block in enumerate(blocks(holder)):
        at = f"{where}.{n}."
        yield from _fields(block, at, {"type": str}, _BLOCK_OPTIONAL)
        kind = block["type"]
        yield from _fields(block, f"{at}{kind}.", _BLOCKS.get(kind, {}), {})
        if kind == "text" and not block["text"].strip():
            yield f"{at}text: text content blocks must contain non-whitespace text"
        if kind == "tool_result":
            yield from _fields(block, at, {}, {"content": (str, list)})
            yield from _content(block, f"{at}content") if isinstance(block.get("content"), list) else ()


def _pairs(messages: list[Json]) -> Iterator[str]:
    """Every call has its result right after it, and every result its call: a torn transcript shows here."""
    ids = [block["id"] for message in messages for block in blocks(message, "tool_use")]
    if len(ids) != len(set(ids)):
        yield "messages: `tool_use` ids must be unique"
    unanswered: list[str] = []
    before = ""
    for n, message in enumerate(messages):
        if message["role"] == "assistant":
            if before == "user" and unanswered:
                yield f"messages.{n}: {_UNANSWERED} {', '.join(unanswered)}."
            unanswered += [block["id"] for block in blocks(message, "tool_use")]
        for block in blocks(message, "tool_result"):
            if block["tool_use_id"] not in unanswered:
                yield f"messages.{n}: {_UNASKED} {block['tool_use_id']}."
            unanswered.remove(block["tool_use_id"])
        before = before if message["role"] == "system" else message["role"]
    if unanswered:
        yield f"messages: {_UNANSWERED} {', '.join(unanswered)}."


def _marks(body: Json) -> Iterator[str]:
    carriers = [*(body.get("tools") or ()), *blocks({"content": body.get("system")}), body]
    carriers += [block for message in body["messages"] for block in blocks(message)]
    marks = [carrier["cache_control"] for carrier in carriers if carrier.get("cache_control")]
    if len(marks) > _MOST_MARKS:
        yield f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. Found {len(marks)}."
    for mark in marks:
        if mark.get("type") != "ephemeral" or mark.get("ttl", "5m") not in ("5m", "1h"):
            yield 'cache_control: use {"type": "ephemeral"}, with ttl "5m" or "1h"'
