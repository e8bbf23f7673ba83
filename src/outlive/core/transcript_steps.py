"""What the agent did in each turn, from its transcript: texts, thoughts, tool calls with their results, subagents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

MAX_TEXT = 20_000
"""Characters of one text, argument or result that are told."""
MAX_DEPTH = 5
"""Of subagents within subagents."""
IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")

Entry = Mapping[str, Any]
Agents = Mapping[str, Sequence[Entry]]
"""Id of the call that started a subagent -> the entries of its transcript."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call and what came of it."""

    id: str
    name: str
    input: str
    """JSON."""
    result: str = ""
    status: Literal["open", "done", "failed"] = "open"
    steps: tuple[Step, ...] = ()
    """What a subagent did that the call started."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing in a turn; a text over 20,000 characters is cut, and `left_out` says by how many."""

    kind: Literal["text", "thinking", "tool", "said", "summary"]
    """`said` by a person while the turn ran; `summary` of what was compacted."""
    at: float
    text: str = ""
    left_out: int = 0
    call: ToolCall | None = None
    images: tuple[str, ...] = ()
    """Ids of images, to be fetched one by one."""


def time_of(entry: Entry) -> float:
    """When an entry was written, epoch seconds; 0 for one that does not say."""
    try:
        return datetime.fromisoformat(str(entry.get("timestamp"))).timestamp()
    except ValueError:
        return 0.0


def messages_of(entries: Iterable[Entry]) -> list[Entry]:
    """The entries that are messages of somebody: neither bookkeeping nor the CLI's own words to the model."""
    return [
        entry
        for entry in entries
        if entry.get("type") in {"user", "assistant"}
        and isinstance(entry.get("message"), dict)
        and not entry.get("isMeta")
    ]


def steps_of(entries: Sequence[Entry], agents: Agents, *, prompted: bool = False, depth: int = 0) -> tuple[Step, ...]:
    """The steps in one turn's messages; the first text of a user is its prompt, and left out unless `prompted`."""
    found: list[Step] = []
    calls: dict[str, int] = {}
    for entry in entries:
        for number, block in enumerate(blocks_of(entry)):
            if not prompted and is_prompt(entry, block):
                prompted = True
            elif block.get("type") == "tool_result":
                _take_result(found, calls, entry, block, number)
            elif step := _step(entry, block, number):
                if step.call:
                    calls[step.call.id] = len(found)
                found.append(step)
    if depth < MAX_DEPTH:
        found = [_with_agent(step, agents, depth) for step in found]
    return tuple(found)


def is_prompt(entry: Entry, block: Mapping[str, Any]) -> bool:
    """Whether a block is what a person said."""
    return entry["type"] == "user" and block.get("type") == "text" and not entry.get("isCompactSummary")


def blocks_of(entry: Entry) -> list[dict[str, Any]]:
    """The content of a message as blocks."""
    content = entry["message"].get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def image_in(entries: Iterable[Entry], image: str) -> tuple[str, str] | None:
    """Media type and base64 of an image by its id; None when there is no such image, or none that browsers show."""
    for entry in entries:
        if str(entry.get("uuid")) == image.partition(".")[0]:
            found = dict(_images(entry))
            source = found.get(image, {})
            if source.get("type") == "base64" and source.get("media_type") in IMAGE_TYPES:
                return str(source["media_type"]), str(source.get("data", ""))
    return None


def _images(entry: Entry) -> Iterator[tuple[str, dict[str, Any]]]:
    """Id and source of every image of an entry: the entry's own id, and where in it the image is."""
    for number, block in enumerate(blocks_of(entry)):
        inner = block.get("content") if block.get("type") == "tool_result" else None
        for place, each in enumerate(inner if isinstance(inner, list) else [block]):
            if isinstance(each, dict) and each.get("type") == "image" and isinstance(each.get("source"), dict):
                yield f"{entry.get('uuid')}.{number}.{place}", each["source"]


def _images_at(entry: Entry, number: int) -> tuple[str, ...]:
    return tuple(name for name, _ in _images(entry) if name.split(".")[1] == str(number))


def _step(entry: Entry, block: Mapping[str, Any], number: int) -> Step | None:
    at = time_of(entry)
    match block.get("type"):
        case "text":
            kind = "summary" if entry.get("isCompactSummary") else "said" if entry["type"] == "user" else "text"
            return _cut(Step(kind, at, str(block.get("text", ""))))  # type: ignore[arg-type]
        case "thinking" if block.get("thinking"):
            return _cut(Step("thinking", at, str(block["thinking"])))
        case "tool_use":
            given = json.dumps(block.get("input", {}), ensure_ascii=False)
            call = ToolCall(str(block.get("id", "")), str(block.get("name", "")), given[:MAX_TEXT])
            return Step("tool", at, left_out=max(len(given) - MAX_TEXT, 0), call=call)
        case "image":
            return Step("said", at, images=_images_at(entry, number))
        case _:
            return None


def _cut(step: Step) -> Step:
    return replace(step, text=step.text[:MAX_TEXT], left_out=max(len(step.text) - MAX_TEXT, 0))


def _take_result(
    found: list[Step], calls: Mapping[str, int], entry: Entry, block: Mapping[str, Any], number: int
) -> None:
    place = calls.get(str(block.get("tool_use_id")))
    if place is None or (call := found[place].call) is None:
        return
    text = _text_of(block.get("content"))
    status: Literal["done", "failed"] = "failed" if block.get("is_error") else "done"
    call = replace(call, result=text[:MAX_TEXT], status=status)
    left_out = found[place].left_out + max(len(text) - MAX_TEXT, 0)
    found[place] = replace(found[place], call=call, left_out=left_out, images=_images_at(entry, number))


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    return "\n\n".join(str(block["text"]) for block in blocks if block.get("type") == "text")


def _with_agent(step: Step, agents: Agents, depth: int) -> Step:
    if step.call is None or step.call.id not in agents:
        return step
    inner = steps_of(messages_of(agents[step.call.id]), agents, depth=depth + 1)
    return replace(step, call=replace(step.call, steps=inner))
