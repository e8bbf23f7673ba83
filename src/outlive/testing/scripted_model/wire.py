"""How an answer looks on the wire: the JSON message, the server-sent events of a stream, and errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from outlive.testing.scripted_model.answers import LOAD_MARK, Json, Refusal, Reply, ToolCall
from outlive.testing.scripted_model.usage import Usage, tokens_of

Piece: TypeAlias = bytes | float
"""Bytes to send, or seconds of silence."""

_WORDS = re.compile(r"\s*\S+\s*|\s+")
_JSON_PIECE_CHARS = 64
_SIGNATURE = "c2NyaXB0ZWQtbW9kZWw="


def message_json(reply: Reply, model: str, usage: Usage, new_id: Callable[[str], str]) -> Json:
    """The whole answer. `new_id` makes a unique id from a prefix."""
    content = list(_content(reply, new_id))
    return {
        "id": new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": reply.stop_reason,
        "stop_sequence": None,
        "usage": _usage_json(usage, sum(tokens_of(block) for block in content)),
    }


def _content(reply: Reply, new_id: Callable[[str], str]) -> Iterator[Json]:
    if reply.thinking:
        yield {"type": "thinking", "thinking": reply.thinking, "signature": _SIGNATURE}
    if reply.text:
        yield {"type": "text", "text": reply.text}
    for call in reply.calls:
        yield {"type": "tool_use", "id": _call_id(call, new_id), "name": call.name, "input": dict(call.input)}


def _call_id(call: ToolCall, new_id: Callable[[str], str]) -> str:
    return new_id(LOAD_MARK if call.loads else "toolu_")


def _usage_json(usage: Usage, output: int) -> Json:
    return {
        "input_tokens": usage.fresh,
        "cache_creation_input_tokens": usage.written_5m + usage.written_1h,
        "cache_read_input_tokens": usage.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.written_5m,
            "ephemeral_1h_input_tokens": usage.written_1h,
        },
        "output_tokens": output,
        "service_tier": "standard",
    }


def stream_events(message: Json) -> Iterator[Json]:
    """The events that deliver `message`, in the API's order, text word by word."""
    opened = {
        **message,
        "content": [],
        "stop_reason": None,
        "usage": {**message["usage"], "output_tokens": 1},
    }
    yield {"type": "message_start", "message": opened}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        empty, deltas = _in_pieces(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    yield {"type": "message_delta", "delta": end, "usage": message["usage"]}
    yield {"type": "message_stop"}


def _in_pieces(block: Json) -> tuple[Json, list[Json]]:
    """How a block starts, and the deltas that fill it."""
    match block["type"]:
        case "text":
            return {**block, "text": ""}, [{"type": "text_delta", "text": t} for t in _WORDS.findall(block["text"])]
        case "thinking":
            words = _WORDS.findall(block["thinking"])
            deltas = [{"type": "thinking_delta", "thinking": word} for word in words]
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [*deltas, signed]
        case _:
            text = json.dumps(block["input"])
            pieces = [text[at : at + _JSON_PIECE_CHARS] for at in range(0, len(text), _JSON_PIECE_CHARS)]
            return {**block, "input": {}}, [_json_delta(piece) for piece in ("", *pieces)]


def _json_delta(piece: str) -> Json:
    return {"type": "input_json_delta", "partial_json": piece}


def stream_pieces(message: Json, encode: Callable[[Json], bytes], *, pace: float, stall: float) -> list[Piece]:
    """The bytes of a stream, its events written by `encode`.

    There is a silence of `stall` after it opened and of `pace` before each delta.
    """
    pieces: list[Piece] = []
    for event in stream_events(message):
        if event["type"] == "content_block_delta":
            pieces.append(pace)
        pieces.append(encode(event))
        if event["type"] == "ping":
            pieces.append(stall)
    return pieces


def whole_pieces(message: Json, *, stall: float) -> list[Piece]:
    """The bytes of an answer that is not streamed."""
    raw = json.dumps(message).encode()
    return [stall, raw[: len(raw) // 2], raw[len(raw) // 2 :]]


def error_json(refusal: Refusal, request_id: str) -> Json:
    """The body of an error answer."""
    error = {"type": refusal.error_type, "message": refusal.message}
    return {"type": "error", "error": error, "request_id": request_id}


def error_headers(refusal: Refusal) -> dict[str, str]:
    """`retry-after` in whole or fractional seconds, where the refusal sets it; 1 for a bare 429."""
    wait = 1.0 if refusal.retry_after is None and refusal.status == 429 else refusal.retry_after
    return {} if wait is None else {"retry-after": f"{wait:g}"}


def models_json(names: Sequence[str]) -> Json:
    """One page that lists the models `names`."""
    made = "2026-01-01T00:00:00Z"
    listed = [{"type": "model", "id": name, "display_name": f"{name} (scripted)", "created_at": made} for name in names]
    return {"data": listed, "has_more": False, "first_id": names[0], "last_id": names[-1]}
