"""The questions that are open in a tenant's sessions, from their heads alone."""

from __future__ import annotations

from dataclasses import dataclass

from outlive.core.keys import SessionId
from outlive.core.sessions import Head
from outlive.errors import NotFound
from outlive.flows.engine import Engine
from outlive.flows.sessions.filter_sessions import SessionFilter, filter_sessions
from outlive.flows.sessions.list_sessions import MAX_PAGE
from outlive.flows.sessions.walk_history import at_latest
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Approval

WAITING = SessionFilter(waiting=True)


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A tool call that waits for a person."""

    key: str
    session_id: SessionId
    approval: Approval
    has_expired: bool
    """No answer allows the call any more; the session's next message refuses it."""


async def list_approvals(engine: Engine, stores: TenantStores) -> list[OpenQuestion]:
    """Every session's open question, the one that expires first in front. One listing of heads per 1,000 sessions."""
    found: list[OpenQuestion] = []
    after: str | None = ""
    while after is not None:
        page = await filter_sessions(engine, stores, WAITING, after=after, limit=MAX_PAGE)
        now = engine.clock.now()
        found += [
            OpenQuestion(line.key, line.session_id, line.approval, line.approval.expires_at <= now)
            for line in page.sessions
            if line.approval
        ]
        after = page.after
    return sorted(found, key=lambda each: each.approval.expires_at)


async def open_question(engine: Engine, stores: TenantStores, session_id: SessionId) -> OpenQuestion:
    """The question of one session; `NotFound` when nothing waits there."""

    async def read(head: Head) -> OpenQuestion:
        if head.approval is None:
            raise NotFound(f"nothing waits for an answer in session {session_id}.", fix="See `outlive approvals list`.")
        return OpenQuestion(head.key, session_id, head.approval, head.approval.expires_at <= engine.clock.now())

    return await at_latest(engine, stores, session_id, read)
