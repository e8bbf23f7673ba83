"""Requests in plain language that the scripted model turns into tool calls, one pattern each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from outlive.testing.scripted_model.answers import ToolCall
from outlive.testing.scripted_model.request import Conversation

_THEN = re.compile(r'`[^`]*`|"[^"]*"|(?P<then>\s*[,;.]?\s+(?:and\s+)?then[,:]?\s+)', re.IGNORECASE)
_POLITE = re.compile(r"(?:(?:please|now|first|also|can you|could you)[, ]+)+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wish:
    """One part of a request: the calls it takes, or what has to be said instead."""

    calls: tuple[ToolCall, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Wishes:
    """A request in plain language, taken apart."""

    steps: tuple[tuple[ToolCall, ...], ...] = ()
    """What each model request of the turn calls."""
    notes: tuple[str, ...] = ()
    """What could not be done, and why."""
    talk: tuple[str, ...] = ()
    """The parts that are no command."""


def wishes_in(conversation: Conversation) -> Wishes:
    """The commands in the user's request, joined by "then"; without any, all of it is talk."""
    parts = [(part, _wish(part, conversation)) for part in _parts(conversation.request)]
    if not any(wish for _, wish in parts):
        return Wishes(talk=(conversation.request,))
    wishes = [_within_reach(wish, conversation) for _, wish in parts if wish]
    return Wishes(
        steps=tuple(wish.calls for wish in wishes if wish.calls),
        notes=tuple(wish.note for wish in wishes if wish.note),
        talk=tuple(part for part, wish in parts if not wish),
    )


def _parts(text: str) -> Iterator[str]:
    """`text` cut at each "then" that is not quoted."""
    start = 0
    for match in _THEN.finditer(text):
        if match["then"]:
            yield text[start : match.start()].strip()
            start = match.end()
    yield text[start:].strip()


def _within_reach(wish: Wish, conversation: Conversation) -> Wish:
    missing = sorted({call.name for call in wish.calls if not conversation.reaches(call.name)})
    return Wish(note=not_offered(missing)) if missing else wish


def not_offered(tools: list[str]) -> str:
    """What is said about tools that the request does not offer."""
    return f"I did not call {' or '.join(tools)}: this request does not offer that tool."


def _wish(part: str, conversation: Conversation) -> Wish | None:
    bare = _POLITE.sub("", part, count=1) if _POLITE.match(part) else part
    for pattern, build in _COMMANDS:
        if match := pattern.fullmatch(bare):
            return build(match, conversation)
    return None


# ------------------------------------------------------------------------------------------------ files


def _write(match: re.Match[str], conversation: Conversation) -> Wish | None:
    path = _path(match["path"], conversation)
    return _call("Write", file_path=path, content=_unquoted(match["content"])) if path else None


def _read(match: re.Match[str], conversation: Conversation) -> Wish | None:
    path = _path(match["path"], conversation)
    return _call("Read", file_path=path) if path else None


def _edit(match: re.Match[str], conversation: Conversation) -> Wish | None:
    path = _path(match["path"], conversation)
    old, new = _unquoted(match["old"]), _unquoted(match["new"])
    return _call("Edit", file_path=path, old_string=old, new_string=new) if path else None


def _path(word: str, conversation: Conversation) -> str | None:
    """An absolute path below the request's working directory; None if `word` does not look like a file."""
    name = _unquoted(word).rstrip("?!,.")
    if not re.search(r"[./]", name):
        return None
    return str(PurePosixPath(conversation.cwd or "", name))


def _unquoted(text: str) -> str:
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`"
    return text[1:-1] if quoted else text


# ---------------------------------------------------------------------------------------------- shell


def _run(match: re.Match[str], _conversation: Conversation) -> Wish:
    command = _unquoted(match["command"])
    return _call("Bash", command=command, description="Run what the user asked for")


# ---------------------------------------------------------------------------------------------- tasks


def _add_tasks(match: re.Match[str], conversation: Conversation) -> Wish:
    items = [item for part in re.split(r"[,;\n]", match["items"]) if (item := _task(part))]
    if _keeps_todos(conversation):
        added = ({"content": item, "status": "pending", "activeForm": item} for item in items)
        return _call("TodoWrite", todos=[*conversation.todos, *added])
    return Wish(tuple(ToolCall("TaskCreate", {"subject": item, "description": item}) for item in items))


def _task(part: str) -> str:
    return _unquoted(re.sub(r"^\s*(?:and|-|\*)\s+", "", part).strip().rstrip(".!"))


def _change_task(match: re.Match[str], conversation: Conversation) -> Wish:
    words = f"{match['verb']} {match['state'] or ''}".lower()
    started = re.search(r"start|begin|progress", words)
    status = "in_progress" if started else "pending" if "pending" in words else "completed"
    if not _keeps_todos(conversation):
        return _call("TaskUpdate", taskId=match["id"], status=status)
    todos = [dict(todo) for todo in conversation.todos]
    if not 0 < int(match["id"]) <= len(todos):
        return Wish(note=f"There is no task {match['id']} in this conversation.")
    todos[int(match["id"]) - 1]["status"] = status
    return _call("TodoWrite", todos=todos)


def _list_tasks(_match: re.Match[str], conversation: Conversation) -> Wish:
    if not _keeps_todos(conversation):
        return _call("TaskList")
    lines = (f"#{n} [{todo['status']}] {todo['content']}" for n, todo in enumerate(conversation.todos, 1))
    return Wish(note="Your tasks:\n" + ("\n".join(lines) or "(none)"))


def _keeps_todos(conversation: Conversation) -> bool:
    """True where the older single-list tool stands in for the task tools."""
    return conversation.reaches("TodoWrite") and not conversation.reaches("TaskCreate")


# ------------------------------------------------------------------------------------- agents, any tool


def _delegate(match: re.Match[str], conversation: Conversation) -> Wish:
    prompt = match["prompt"].strip()
    tool = "Task" if "Task" in conversation.offered and "Agent" not in conversation.offered else "Agent"
    return _call(
        tool,
        description=" ".join(prompt.split()[:5]),
        prompt=prompt,
        subagent_type=match["type"] or "general-purpose",
        run_in_background=False,
    )


def _use(match: re.Match[str], _conversation: Conversation) -> Wish:
    try:
        given = json.loads(match["input"] or "{}")
    except json.JSONDecodeError as error:
        return Wish(note=f"I did not call {match['name']}: what follows it is not valid JSON ({error}).")
    return _call(match["name"], **given)


def _call(tool: str, /, **given: object) -> Wish:
    return Wish((ToolCall(tool, given),))


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.DOTALL)


_Build = Callable[[re.Match[str], Conversation], Wish | None]
_FILE = r"(?:(?:the|a)\s+)?(?:file\s+)?(?P<path>\S+)"
_SUBAGENT = r"(?:a|an|the|your)\s+(?:(?P<type>[\w-]+)\s+)?sub-?agent\s+(?:to\s+)?"
_COMMANDS: tuple[tuple[re.Pattern[str], _Build], ...] = (
    (_pattern(r"(?:use|call)\s+(?:the\s+)?tool\s+(?P<name>[\w-]+)(?:\s+with)?\s*(?P<input>\{.*\})?"), _use),
    (_pattern(rf"(?:ask|tell|let|have)\s+{_SUBAGENT}(?P<prompt>.+)"), _delegate),
    (_pattern(r"(?:run|execute)(?:\s*:\s*|\s+)(?:the\s+command\s+)?(?P<command>.+)"), _run),
    (_pattern(r"(?:add|create)\s+(?:the\s+|a\s+|these\s+)?(?:task|todo)s?\s*:?\s+(?P<items>.+)"), _add_tasks),
    (_pattern(r"add\s+(?P<items>.+?)\s+to\s+(?:my|the|our)\s+(?:task|todo)s?(?:\s+list)?[.!]?"), _add_tasks),
    (
        _pattern(
            r"(?P<verb>complete|finish|close|start|begin|mark|set)\s+(?:the\s+)?task\s+#?(?P<id>\d+)"
            r"(?:\s+(?:as|to)?\s*(?P<state>done|completed?|finished|in[ _]progress|started|pending))?[.!]?"
        ),
        _change_task,
    ),
    (
        _pattern(
            r"(?:what\s+are|list|show(?:\s+me)?)\s+(?:(?:all|my|our|the)\s+)*(?:open\s+)?"
            r"(?:tasks|todos|task\s+list|todo\s+list)[?.!]?"
        ),
        _list_tasks,
    ),
    (_pattern(rf"(?:write|save|put)\s+(?P<content>.+)\s+(?:to|into|in)\s+{_FILE}"), _write),
    (
        _pattern(rf"create\s+{_FILE}\s+(?:with|containing)\s+(?:the\s+)?(?:text\s+)?(?P<content>.+)"),
        _write,
    ),
    (_pattern(rf"replace\s+(?P<old>.+?)\s+(?:with|by)\s+(?P<new>.+?)\s+in\s+{_FILE}"), _edit),
    (_pattern(rf"(?:read|show|open|cat)(?:\s+me)?\s+{_FILE}"), _read),
)
