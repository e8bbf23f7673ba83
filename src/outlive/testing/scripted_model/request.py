"""One request of the Messages API, read as a conversation: who said what, what was offered, what tools returned.

The shapes are those that the Claude Code CLI really sends (2.1.329): reminders and attachments stand beside
the user's words in `user` messages or in `system` messages, and a message may hold several turns after a crash.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from outlive.testing.scripted_model.answers import LOAD_MARK, Json
from outlive.testing.scripted_model.facts import Fact, facts_in
from outlive.testing.scripted_model.summary import Earlier, read_summary

_REMINDER = re.compile(r"<system-reminder>(.*?)</system-reminder>\s*", re.DOTALL)
_HARNESS = re.compile(
    r"\[Image: |\[Request interrupted by user|\[structured-output-enforce\]|Tool loaded\.|Stop hook feedback:|"
    r"Continue from where you left off\.|Output token limit hit|Your response was cut off because|"
    r"<(?:local-command|command|bash|task)-[a-z]+>|This session is being continued from a previous|"
    r"CRITICAL: Respond with TEXT ONLY|Your task is to create a detailed summary|For this reply only:"
)
_SUMMARISE = re.compile(r"Your task is to create a detailed summary|tasked with summarizing conversations")
_CONTINUED = "This session is being continued from a previous"
_CWD = re.compile(r"^[ -]*(?:Primary w|W)orking directory: (.+?)(?: \(was .*\))?$", re.MULTILINE)
_DEFERRED = re.compile(r"deferred tools are now available.*\n((?:[\w-]+(?:\n|\Z))+)")
_ASIDE = re.compile(r"The user sent a new message while you were working:\n(.+?)(?:\n\n|\Z)", re.DOTALL)
_SCRIPT = re.compile(r"\[\[script\]\].*\[\[/script\]\]", re.DOTALL)
_PLACEHOLDER = "DeferredToolPlaceholder"


@dataclass(frozen=True, slots=True)
class Said:
    """One text of the user: the request of turn `turn`, or an aside sent while it ran."""

    text: str
    turn: int


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What one tool call of the current turn returned."""

    tool: str
    input: Json
    text: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """What one request holds. Nothing in it comes from anywhere else."""

    said: tuple[Said, ...]
    """The user's requests, oldest first, without what the client put around them."""
    asides: tuple[Said, ...]
    """What the user sent while a turn ran."""
    earlier: Earlier
    """What a compaction summary in the request tells of the time before."""
    replies: int
    """Assistant messages in the request."""
    answered: int
    """Assistant messages since the last request of the user, look-ups of deferred tools not counted."""
    results: tuple[ToolResult, ...]
    """What the tools of the current turn returned, in order."""
    notices: tuple[str, ...]
    """Results of background tasks that arrived since the model last spoke."""
    offered: frozenset[str]
    deferred: frozenset[str]
    """Tools that are announced by name and have to be looked up before they can be called."""
    cwd: str | None
    todos: tuple[Json, ...]
    """The list as the last TodoWrite call left it."""
    announced: bool
    """True if an earlier reply said what the scripted model is."""

    @property
    def request(self) -> str:
        return self.said[-1].text if self.said else ""

    @property
    def turn(self) -> int:
        return self.said[-1].turn if self.said else self.earlier.turns

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Everything the user stated, oldest first."""
        spoken = sorted((*self.said, *self.asides), key=lambda said: said.turn)
        stated = (facts_in(_SCRIPT.sub("", said.text), said.turn) for said in spoken)
        return (*self.earlier.facts, *(fact for facts in stated for fact in facts))

    def reaches(self, tool: str) -> bool:
        """True if `tool` can be called now, or after a look-up."""
        return tool in self.offered or (tool in self.deferred and "ToolSearch" in self.offered)


def read_request(body: Json) -> Conversation:
    """The conversation in a request body that has passed `read_call`."""
    messages: list[Json] = body["messages"]
    around = "\n".join(_surroundings(body))
    summary = "\n".join(_summaries(messages))
    earlier = read_summary(summary)
    said, asides = _spoken(messages, earlier.turns)
    start = max((i for i, message in enumerate(messages) if _requests(message)), default=0)
    calls = {block["id"]: block for message in messages for block in blocks(message, "tool_use")}
    replies = [message for message in messages if message["role"] == "assistant"]
    since = [message for message in messages[start:] if message["role"] == "assistant"]
    return Conversation(
        said=said,
        asides=asides,
        earlier=earlier,
        replies=len(replies),
        answered=sum(not _only_loads(message) for message in since),
        results=tuple(_results(messages[start + 1 :], calls)),
        notices=tuple(_notices(messages)),
        offered=_offered(body),
        deferred=frozenset(name for names in _DEFERRED.findall(around) for name in names.split()),
        cwd=(_CWD.findall(around) or [None])[-1],
        todos=_todos(calls),
        announced="not a language model" in "\n".join((summary, *map(text_of, replies))),
    )


def blocks(message: Json, kind: str | None = None) -> list[Json]:
    """The content blocks of a message, of one type if `kind` is given; a bare string is one text block."""
    content = message.get("content") or []
    found = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [block for block in found if kind is None or block["type"] == kind]


def text_of(message: Json) -> str:
    """All text of a message or of a tool result."""
    return "\n".join(block["text"] for block in blocks(message, "text"))


def is_compaction(body: Json) -> bool:
    """True if the request asks for a summary of the conversation."""
    return bool(_SUMMARISE.search(text_of(body["messages"][-1])) or _SUMMARISE.search(system_text(body)))


def system_text(body: Json) -> str:
    """The `system` parameter as one text."""
    return text_of({"content": body.get("system") or ""})


def _requests(message: Json) -> list[str]:
    """What the user asks in one message, the client's own texts left out."""
    if message["role"] != "user":
        return []
    texts = (_REMINDER.sub("", block["text"]).strip() for block in blocks(message, "text"))
    return [text for text in texts if text and not _HARNESS.match(text)]


def _spoken(messages: list[Json], turns: int) -> tuple[tuple[Said, ...], tuple[Said, ...]]:
    said: list[Said] = []
    asides: list[Said] = []
    for message in messages:
        if message["role"] != "assistant":
            asides += (Said(text.strip(), turns + len(said)) for text in _heard(message))
        for text in _requests(message):
            said.append(Said(text, turns + len(said) + 1))
    return tuple(said), tuple(asides)


def _beside(message: Json) -> Iterator[str]:
    """What the client says in a message: all of a system message, the reminders in a user message."""
    for block in blocks(message, "text"):
        if message["role"] == "system":
            yield block["text"]
        elif message["role"] == "user":
            yield from _REMINDER.findall(block["text"])


def _heard(message: Json) -> list[str]:
    """What the user sent while a tool ran; for some models the CLI puts it into the tool's result."""
    results = (_REMINDER.findall(text_of(block)) for block in blocks(message, "tool_result"))
    beside = [*_beside(message), *(text for texts in results for text in texts)]
    return [text for reminder in beside for text in _ASIDE.findall(reminder)]


def _surroundings(body: Json) -> Iterator[str]:
    yield system_text(body)
    for message in body["messages"]:
        yield from _beside(message)


def _summaries(messages: list[Json]) -> Iterator[str]:
    for message in messages:
        if message["role"] == "user" and _CONTINUED in text_of(message):
            yield text_of(message)


def _notices(messages: list[Json]) -> Iterator[str]:
    """Results of background tasks in the message at the end."""
    for text in _beside(messages[-1]):
        yield from re.findall(r"<task-notification>.*?<result>(.*?)</result>", text, re.DOTALL)


def _only_loads(message: Json) -> bool:
    calls = blocks(message, "tool_use")
    return bool(calls) and all(call["id"].startswith(LOAD_MARK) for call in calls)


def _results(messages: list[Json], calls: dict[str, Json]) -> Iterator[ToolResult]:
    for message in messages:
        for block in blocks(message, "tool_result"):
            call = calls[block["tool_use_id"]]
            if not call["id"].startswith(LOAD_MARK):
                failed = bool(block.get("is_error"))
                text = _REMINDER.sub("", text_of(block)).rstrip("\n")
                yield ToolResult(call["name"], call["input"], text, failed)


def _offered(body: Json) -> frozenset[str]:
    if (body.get("tool_choice") or {}).get("type") == "none":
        return frozenset()
    return frozenset(tool["name"] for tool in body.get("tools") or () if tool["name"] != _PLACEHOLDER)


def _todos(calls: dict[str, Json]) -> tuple[Json, ...]:
    lists: list[Any] = [call["input"].get("todos") for call in calls.values() if call["name"] == "TodoWrite"]
    return tuple(lists[-1] or ()) if lists else ()
