"""A question of the agent at the terminal: shown, and answered with one letter."""

from __future__ import annotations

from outlive.core.answers import Answer, Choice, answer_text
from outlive.core.approvals import TOOL_DEFERRED, Approval
from outlive.core.ledger import LedgerLine
from outlive.errors import NotFound
from outlive.flows.sessions.list_approvals import open_question
from outlive.flows.turn.find_session import find_session
from outlive.wiring import App

LETTERS: dict[str, Choice] = {"y": "once", "a": "always", "n": "deny"}
HINT = "y: this once   a: always in this session   n: no   anything else is a message, and means no"


async def left_open(app: App, key: str) -> Approval | None:
    """The question that the conversation ended with last time; None when there is none, or it has expired."""
    session_key = app.key(key)
    stores = app.engine.stores(session_key.tenant)
    try:
        session_id = await find_session(app.engine, stores, session_key)
        found = await open_question(app.engine, stores, session_id)
    except NotFound:
        return None
    return None if found.has_expired else found.approval


def asked_in(line: LedgerLine) -> Approval | None:
    """The question that a turn has ended with."""
    return line.approval if line.stop_reason == TOOL_DEFERRED else None


def as_answer(text: str, question: Approval | None) -> str:
    """The message that a line means: a letter answers the question that is open."""
    if question is None or text not in LETTERS:
        return text
    return answer_text(Answer(question.id, LETTERS[text]))
