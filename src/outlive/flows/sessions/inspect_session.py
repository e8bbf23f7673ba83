"""One session, looked at without touching it: what it holds, who points at it, what was said."""

from __future__ import annotations

from dataclasses import dataclass

from outlive.core.keys import SessionId, head_key
from outlive.core.ledger import LedgerLine
from outlive.core.manifests import live_bytes
from outlive.core.messages import decode_inbound
from outlive.core.outbox import DeadReply
from outlive.core.packs import PackName
from outlive.core.sessions import Head, Pending, decode_head
from outlive.errors import Invalid, NotFound
from outlive.flows.delivery.retry_outbox import dead_replies
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.flows.sessions.list_sessions import MAX_PAGE, SessionLine, is_held, line_of
from outlive.flows.sessions.scan_mappings import pointers_to
from outlive.flows.sessions.walk_history import at_latest, list_packs
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_flushes import find_flushes
from outlive.flows.turn.read_ledger import read_lines
from outlive.flows.turn.read_packs import pack_reader, stored_tree
from outlive.protocols import Row


@dataclass(frozen=True, slots=True)
class PackLine:
    """A live pack."""

    name: PackName
    size: int
    """Bytes of the object."""
    raw: int
    live: int
    """Raw bytes that the newest version uses."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A turn whose worker died: the next delivery of its message finishes it."""

    message_id: str
    text: str
    fence: int
    complete: bool
    """Only its commit is missing."""


@dataclass(frozen=True, slots=True)
class SessionDetail:
    """Everything about one session but its content."""

    line: SessionLine
    agent_session_id: str | None
    profile: str
    prompt_version: str
    packs: tuple[PackLine, ...]
    """Live ones, oldest first."""
    files: int
    tree_bytes: int
    stored_packs: int
    """All that are stored: history, and what a running or dead turn has flushed, included."""
    stored_bytes: int
    outbox: tuple[Pending, ...]
    lifted_rules: tuple[str, ...]
    """Rules that no longer ask in this session."""
    undelivered: tuple[DeadReply, ...]
    """Replies that were given up."""
    keys: tuple[str, ...]
    """Every session key that points at it."""
    interrupted: tuple[Interrupted, ...]
    """Empty while a turn runs: it may be the one that finishes them."""


async def inspect_session(engine: Engine, stores: TenantStores, session_id: SessionId) -> SessionDetail:
    """Read the head, the newest manifest and the listings; `NotFound` when there is no such session."""

    async def inspect(_head: Head) -> SessionDetail:
        row = await _row(engine, stores, session_id)
        return await _detail(engine, stores, row, decode_head(row.body, row.key))

    return await at_latest(engine, stores, session_id, inspect)


async def _row(engine: Engine, stores: TenantStores, session_id: SessionId) -> Row:
    row = await retrying(lambda: stores.table.read(head_key(session_id)), engine.clock)
    if row is None:
        raise NotFound(f"session {session_id} does not exist.", fix="See `outlive sessions list`.")
    return row


async def _detail(engine: Engine, stores: TenantStores, row: Row, head: Head) -> SessionDetail:
    packs, sizes = await _packs(engine, stores, head)
    stored = await list_packs(engine, stores, head.session_id)
    pointers = await pointers_to(engine, stores, head.session_id)
    return SessionDetail(
        line=line_of(row, head, engine.clock.now()),
        agent_session_id=head.agent_session_id,
        profile=head.profile,
        prompt_version=head.prompt_version,
        packs=packs,
        files=len(sizes),
        tree_bytes=sum(sizes),
        stored_packs=len(stored),
        stored_bytes=sum(info.size for info in stored.values()),
        outbox=head.outbox,
        lifted_rules=head.lifted_rules,
        undelivered=tuple(await dead_replies(engine, stores, head.session_id)),
        keys=tuple(each.mapping.session_key for each in pointers),
        interrupted=await _interrupted(engine, stores, row, head),
    )


async def _packs(engine: Engine, stores: TenantStores, head: Head) -> tuple[tuple[PackLine, ...], list[int]]:
    """The live packs, and the sizes of the files in them."""
    if not head.packs:
        return (), []
    reader = pack_reader(engine, stores, head.session_id)
    newest = head.packs[-1]
    stored = await stored_tree(reader, newest, (await reader.fetch([newest]))[newest.name])
    entries = stored.manifest.entries
    used = live_bytes(entries)
    lines = tuple(PackLine(ref.name, ref.size, ref.raw, used.get(ref.name, 0)) for ref in head.packs)
    return lines, [entry.size for entry in entries.values()]


async def _interrupted(engine: Engine, stores: TenantStores, row: Row, head: Head) -> tuple[Interrupted, ...]:
    if is_held(row, engine.clock.now()) or row.fence <= head.clean_fence:
        return ()
    flushes = await find_flushes(engine, stores, head)
    return tuple(Interrupted(flush.message_id, _text(flush.message), flush.fence, flush.complete) for flush in flushes)


def _text(message: str) -> str:
    """The text of a flushed message; a complete turn's pack carries its ledger line instead."""
    return decode_inbound(message.encode()).text if message else ""


# ------------------------------------------------------------------------------------------- conversation


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """Some turns, oldest first, as they were answered; a rewind takes none of them away."""

    turns: tuple[LedgerLine, ...]
    before: int | None
    """Give it back for the turns before these; None when the first turn is among them."""


async def read_conversation(
    engine: Engine, stores: TenantStores, session_id: SessionId, *, before: int | None = None, limit: int = 20
) -> ConversationPage:
    """The last `limit` turns, or the last ones before turn `before`."""
    if not 1 <= limit <= MAX_PAGE:
        raise Invalid(f"limit is {limit}.", fix=f"Ask for 1 to {MAX_PAGE} turns.")

    async def read(head: Head) -> ConversationPage:
        lines = [line for line in await read_lines(engine, stores, head) if before is None or line.turn < before]
        page = lines[-limit:]
        return ConversationPage(tuple(page), page[0].turn if len(page) < len(lines) else None)

    return await at_latest(engine, stores, session_id, read)
