"""Tools for sessions, their conversation, and the messages that are appended to them."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import Field

from outlive.core.ledger import LedgerLine
from outlive.core.message_log import LoggedMessage
from outlive.entrypoints.mcp_server.memory import Arguments, Memory, MemoryTool
from outlive.errors import NotFound
from outlive.flows.knowledge.message_log import append_message, delete_messages, read_message, read_messages
from outlive.flows.sessions.inspect_session import inspect_session, read_conversation
from outlive.flows.sessions.list_sessions import list_sessions

SESSION = Field(
    description="A session id (32 hexadecimal digits), or a session key: CHAT, CHAT:THREAD, CHANNEL:CHAT:THREAD."
)
SHOWN_TURN = ("turn", "version", "at", "message_id", "session_key", "sender", "stop_reason", "is_error", "usd")


class _OfSession(Arguments):
    session: str = SESSION


class _Listing(Arguments):
    after: str = Field("", description="The `after` of the page before; empty for the first.")
    limit: int = Field(50, ge=1, le=1000)


class _Conversation(Arguments):
    session: str = SESSION
    before: int | None = Field(None, description="Only turns before this one: the `before` of the page behind.")
    limit: int = Field(20, ge=1, le=200)
    max_chars: int = Field(4000, ge=1, le=1_000_000, description="Longer texts and replies are cut.")


class _Appended(Arguments):
    session: str = SESSION
    role: str = Field(description="Who speaks: user, assistant, system, tool, or any other short name.")
    text: str = Field(description="8 MB at most.")


class _Messages(Arguments):
    session: str = SESSION
    after: int | None = Field(None, description="Forwards: only messages behind this id; 0 for the first.")
    before: int | None = Field(None, description="Backwards: only messages before this id. Without either: the newest.")
    limit: int = Field(50, ge=1, le=200)


class _Message(Arguments):
    session: str = SESSION
    id: int = Field(ge=1)


async def _check(memory: Memory, given: _OfSession) -> object:
    try:
        detail = await inspect_session(memory.engine, memory.stores, await memory.session(given.session))
    except NotFound:
        return {"exists": False}
    line = asdict(detail.line)
    return {"exists": True, **line, "profile": detail.profile, "is_running": detail.line.held_until is not None}


async def _list(memory: Memory, given: _Listing) -> object:
    return await list_sessions(memory.engine, memory.stores, after=given.after, limit=given.limit)


async def _read(memory: Memory, given: _Conversation) -> object:
    session_id = await memory.session(given.session)
    page = await read_conversation(memory.engine, memory.stores, session_id, before=given.before, limit=given.limit)
    return {"turns": [_turn(line, given.max_chars) for line in page.turns], "before": page.before}


def _turn(line: LedgerLine, limit: int) -> dict[str, object]:
    is_cut = max(len(line.text), len(line.reply)) > limit
    said = {"text": line.text[:limit], "reply": line.reply[:limit]} | ({"is_cut": True} if is_cut else {})
    return {name: getattr(line, name) for name in SHOWN_TURN} | said


async def _append(memory: Memory, given: _Appended) -> object:
    session_id = await memory.some_session(given.session)
    done = await append_message(memory.engine, memory.stores, session_id, given.role, given.text)
    return {"session_id": session_id, "id": done.id, "at": done.at, "size": done.size}


async def _page(memory: Memory, given: _Messages) -> object:
    session_id = await memory.session(given.session)
    page = await read_messages(
        memory.engine, memory.stores, session_id, after=given.after, before=given.before, limit=given.limit
    )
    return {"messages": [_shown(each) for each in page.messages], "before": page.before, "after": page.after}


async def _whole(memory: Memory, given: _Message) -> object:
    return _shown(await read_message(memory.engine, memory.stores, await memory.session(given.session), given.id))


def _shown(message: LoggedMessage) -> dict[str, object]:
    shown = {"id": message.id, "at": message.at, "role": message.role, "text": message.text}
    return shown if message.is_whole else {**shown, "is_cut": True, "size": message.size}


async def _delete(memory: Memory, given: _OfSession) -> object:
    session_id = await memory.session(given.session)
    return {"deleted": await delete_messages(memory.engine, memory.stores, session_id)}


SESSION_TOOLS = (
    MemoryTool(
        "check_session", "Whether a session exists, and its turns, version, cost and times.", _OfSession, _check
    ),
    MemoryTool("list_sessions", "The sessions, page by page.", _Listing, _list),
    MemoryTool(
        "read_conversation", "The turns of a session as they were answered, newest page first.", _Conversation, _read
    ),
    MemoryTool(
        "append_message",
        "Append a message to a session and get its id; ids count up by one. A session key without a session gets one.",
        _Appended,
        _append,
        changes=True,
    ),
    MemoryTool("read_messages", "Appended messages, oldest first, page by page in either direction.", _Messages, _page),
    MemoryTool("read_message", "One appended message with its whole text.", _Message, _whole),
    MemoryTool("delete_messages", "Remove all appended messages of a session.", _OfSession, _delete, changes=True),
)
