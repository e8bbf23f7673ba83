"""The sessions of a tenant, a page at a time, from their heads alone."""

from __future__ import annotations

from dataclasses import dataclass

from outlive.core.keys import SessionId, head_key, parse_session_id
from outlive.core.sessions import Head, decode_head
from outlive.errors import Corrupt, Invalid
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Approval, Row

HEADS = "head/"
MAX_PAGE = 1000


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session as a listing shows it."""

    key: str
    session_id: SessionId
    version: int
    turns: int
    title: str
    usd: float
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    held_until: float | None
    """When the lease of the turn that is running runs out; None when nobody holds the session."""
    created_at: float
    updated_at: float
    expires_at: float
    region: str
    last_active_region: str
    approval: Approval | None
    """The tool call that waits for a person."""


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Some sessions, in order of their ids."""

    sessions: tuple[SessionLine, ...]
    damaged: tuple[str, ...]
    """What is wrong with heads on this page that cannot be read; they are listed nowhere else."""
    after: str | None
    """Give it back for the next page; None when this one is empty, and so the last."""


async def list_sessions(engine: Engine, stores: TenantStores, *, after: str = "", limit: int = 50) -> SessionPage:
    """The sessions that have not expired, `limit` at most; a page may be shorter and still not be the last."""
    if not 1 <= limit <= MAX_PAGE:
        raise Invalid(f"limit is {limit}.", fix=f"Ask for 1 to {MAX_PAGE} sessions.")
    lines: list[SessionLine] = []
    damaged: list[str] = []
    rows = await scan_page(engine, stores, after, limit)
    for row in rows:
        try:
            line = read_line(row, engine.clock.now())
        except Corrupt as error:
            damaged.append(str(error))
        else:
            lines += [line] if line else []
    return SessionPage(tuple(lines), tuple(damaged), rows[-1].key.removeprefix(HEADS) if rows else None)


async def scan_page(engine: Engine, stores: TenantStores, after: str, limit: int) -> list[Row]:
    """The records of the heads behind this session id."""
    start = head_key(parse_session_id(after)) if after else ""
    return list(await retrying(lambda: stores.table.scan(HEADS, after=start, limit=limit), engine.clock))


def read_line(row: Row, now: float) -> SessionLine | None:
    """What the record says; None of a session whose time is over, `Corrupt` for a record that cannot be read."""
    head = decode_head(row.body, row.key)
    return line_of(row, head, now) if head.expires_at > now else None


def line_of(row: Row, head: Head, now: float) -> SessionLine:
    """What the head and its lease say."""
    summary = head.summary
    return SessionLine(
        key=head.key,
        session_id=head.session_id,
        version=head.version,
        turns=summary.turns,
        title=summary.title,
        usd=summary.usd,
        input_tokens=summary.input_tokens,
        output_tokens=summary.output_tokens,
        cache_read_tokens=summary.cache_read_tokens,
        held_until=row.until if is_held(row, now) else None,
        created_at=head.created_at,
        updated_at=head.updated_at,
        expires_at=head.expires_at,
        region=head.region,
        last_active_region=head.last_active_region,
        approval=head.approval,
    )


def is_held(row: Row, now: float) -> bool:
    """Whether somebody holds the record's lease."""
    return row.owner is not None and row.until > now
