"""How much of one model request another one repeats from its start: a resumed agent's of one's that never stopped.

    from outlive.testing.prefix import compare_prompts

    comparison = compare_prompts(never_stopped.body, resumed.body)
    assert comparison.share >= 0.99, comparison.difference

A prompt is read as the Messages API caches it: tools, then system, then messages. Not compared is what is no part of it
(`metadata`, `max_tokens`), what marks places in it (`cache_control`), and the CLI's attribution line, which names the
build. What is random in each run (ids of tool calls, sessions, subagents) counts as equal when it stands for the same
thing: it is numbered in order of appearance; pass `ids=()` for two requests of one and the same conversation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

RANDOM = (
    re.compile(r"\btoolu_(?:load_)?[0-9A-Za-z]{8,}"),
    re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"),
    re.compile(r"\ba[0-9a-f]{16}\b"),
    re.compile(r"(?<=/tool-results/)\w+"),
    re.compile(r"(?<=duration_ms: )\d+"),
)
"""What differs between two runs of one script: ids of tool calls, UUIDs, ids of subagents, names of the files of large
outputs, and how long a subagent took."""
ATTRIBUTION = "x-anthropic-billing-header:"
CONTEXT = 120
"""Characters shown on either side of a difference."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two prompts have in common from their start."""

    expected_bytes: int
    equal_bytes: int
    difference: str
    """Where they part, with both sides' text around it; empty when they are equal."""

    @property
    def share(self) -> float:
        """The part of the expected prompt that the other one starts with, 0 to 1."""
        return self.equal_bytes / self.expected_bytes if self.expected_bytes else 1.0


@dataclass(frozen=True, slots=True)
class Piece:
    """One tool, or one block of the system prompt or of a message."""

    place: str
    """Such as `messages.2.content.0`."""
    text: str
    """As JSON."""


def compare_prompts(
    expected: Mapping[str, Any], actual: Mapping[str, Any], *, ids: Sequence[re.Pattern[str]] = RANDOM
) -> Comparison:
    """Two bodies of POST /v1/messages, compared from their start; `ids` find what is random in each run."""
    ours, theirs = (_numbered(pieces_of(body), ids) for body in (expected, actual))
    total = sum(_size(piece.text) for piece in ours)
    equal = 0
    for number, piece in enumerate(ours):
        other = theirs[number] if number < len(theirs) else Piece("nothing", "")
        if piece.text != other.text:
            at = _common(piece.text, other.text)
            return Comparison(total, equal + _size(piece.text[:at]), _difference(piece, other, at))
        equal += _size(piece.text)
    if len(theirs) > len(ours):
        return Comparison(total, equal, _difference(Piece("nothing", ""), theirs[len(ours)], 0))
    return Comparison(total, equal, "")


def pieces_of(body: Mapping[str, Any]) -> list[Piece]:
    """The prompt of a request in the order in which it is cached; a bare string is one text block."""
    tools = [Piece(f"tools.{n}", _json(tool)) for n, tool in enumerate(body.get("tools") or ())]
    system = [
        Piece(f"system.{n}", _json(block))
        for n, block in _blocks(body.get("system"))
        if not str(block.get("text", "")).startswith(ATTRIBUTION)
    ]
    return [*tools, *system, *_message_pieces(body)]


def _message_pieces(body: Mapping[str, Any]) -> Iterator[Piece]:
    for number, message in enumerate(body.get("messages") or ()):
        for n, block in _blocks(message.get("content")):
            yield Piece(f"messages.{number}.content.{n}", _json({"role": message.get("role")} | block))


def _blocks(content: object) -> Iterator[tuple[int, dict[str, Any]]]:
    """The blocks of a content, with a result's own content as blocks, too."""
    found = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for number, block in enumerate(found if isinstance(found, list) else ()):
        inner = block.get("content") if block.get("type") == "tool_result" else None
        yield number, block if inner is None else block | {"content": [each for _, each in _blocks(inner)]}


def _json(value: Mapping[str, Any]) -> str:
    """Text in which equal things are equal; keys keep their order, as in the bytes that were sent."""
    return json.dumps(_unmarked(value), ensure_ascii=False)


def _unmarked(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, Mapping):
        return {name: _unmarked(each) for name, each in value.items() if name != "cache_control"}
    return [_unmarked(each) for each in value] if isinstance(value, list) else value


def _numbered(pieces: Sequence[Piece], ids: Sequence[re.Pattern[str]]) -> list[Piece]:
    """The pieces with every random id replaced by the number of its first appearance."""
    known: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        return known.setdefault(found[0], f"<id {len(known) + 1}>")

    renamed = []
    for piece in pieces:
        text = piece.text
        for pattern in ids:
            text = pattern.sub(name, text)
        renamed.append(Piece(piece.place, text))
    return renamed


def _common(text: str, other: str) -> int:
    """How many characters two texts share from their start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(text, other, strict=False)))


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def _difference(expected: Piece, actual: Piece, at: int) -> str:
    return (
        f"the prompts part at character {at} of {expected.place} (other side: {actual.place})\n"
        f"  expected: {_around(expected.text, at)}\n"
        f"  found:    {_around(actual.text, at)}"
    )


def _around(text: str, at: int) -> str:
    start, end = max(at - CONTEXT, 0), at + CONTEXT
    return f"{'…' if start else ''}{text[start:at]}⟦here⟧{text[at:end]}{'…' if end < len(text) else ''}"
