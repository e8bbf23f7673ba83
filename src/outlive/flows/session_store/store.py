"""The Claude Agent SDK's `SessionStore`: transcripts on the engine's packs, table and objects."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast

from outlive.core.store_heads import Fold, StoreHead
from outlive.core.store_logs import (
    MAIN,
    Entry,
    check_id,
    encode_batch,
    log_key,
    lost_parents,
    parse_lines,
    project_prefix,
    uuid_of,
)
from outlive.errors import Corrupt, LeaseLost
from outlive.flows.list_all import scan_all
from outlive.flows.session_store.append_log import append, flush_backlog, no_room
from outlive.flows.session_store.erase_log import erase_log, erase_session, sweep_store
from outlive.flows.session_store.parts import StoreParts, StorePolicy
from outlive.flows.session_store.read_log import known_uuids, living_head, log_name, read_log, steadily
from outlive.flows.session_store.stored_sessions import Log, StoredSession
from outlive.flows.tenant_stores import open_stores
from outlive.protocols import Clock, NewId, Objects, Table

if TYPE_CHECKING:
    from claude_agent_sdk import SessionKey, SessionStoreEntry, SessionStoreListEntry, SessionSummaryEntry
    from claude_agent_sdk.types import SessionListSubkeysKey

AREA = "store"
"""The part of a tenant's table and objects that is this store's: `TENANT/store/...`."""


class SessionStore:
    """Transcripts of the Claude Agent SDK, kept: pass it as `ClaudeAgentOptions(session_store=...)`.

    One store serves any number of sessions, and any number of stores on any hosts may serve one session. An append
    writes one object and one record, a load reads `max_packs` objects at most. See docs/session-store.md.
    """

    def __init__(
        self,
        *,
        table: Table,
        objects: Objects,
        tenant: str,
        clock: Clock,
        new_id: NewId,
        fold: Fold | None = None,
        policy: StorePolicy | None = None,
    ) -> None:
        """A tenant's store; `fold` is the SDK's `fold_session_summary`, without it no summaries are kept.

        `Invalid` when the tenant's name is not valid.
        """
        outer = open_stores(table, objects, tenant)
        area = open_stores(outer.table, outer.objects, AREA)
        self._parts = StoreParts(area, clock=clock, new_id=new_id, fold=fold, policy=policy or StorePolicy())

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """Store entries behind those appended before; ones whose uuid this transcript has are ignored.

        `Unavailable`: not stored yet, kept in memory, written by the next append, load or `flush`. `LeaseLost`
        (`single_writer`): refused. `Invalid` names the part of the key, or the entry, that cannot be stored.
        """
        where = log_key(key)
        batch = encode_batch(where.path, cast("list[Entry]", entries))
        if batch.lines:
            await append(self._parts, self._parts.session(where.project, where.session), batch)

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """All entries in the order of the appends, or None when nothing was ever stored.

        `Corrupt` names a damaged pack, or an entry that is missing although a later one builds on it (`allow_gaps`);
        `Unavailable` a backend that fails, or entries of this process that it has not taken yet.
        """
        where = log_key(key)
        session = self._parts.session(where.project, where.session)
        async with self._parts.holding(session):
            with suppress(LeaseLost):  # the entries are refused for good; who loads starts from what is stored
                await flush_backlog(self._parts, session)
            session.refused, session.dropped = False, []
            entries = await steadily(self._parts, session, lambda: self._load(session, where.path))
            session.claim = session.seen
        return cast("list[SessionStoreEntry] | None", entries)

    async def list_sessions(self, project_key: str) -> list[SessionStoreListEntry]:
        """The project's sessions with a main transcript, and when it was last appended to; reads the table only."""
        return [{"session_id": h.session, "mtime": h.mtime} for h in await self._heads(project_key)]

    async def list_session_summaries(self, project_key: str) -> list[SessionSummaryEntry]:
        """The summaries kept, each as new as `list_sessions` says; the SDK loads the sessions that have none."""
        heads = [head for head in await self._heads(project_key) if head.summary is not None]
        return [{"session_id": h.session, "mtime": h.mtime, "data": dict(h.summary or {})} for h in heads]

    async def delete(self, key: SessionKey) -> None:
        """Remove a session with its subagents and its summary, or one subpath; every byte of it."""
        where = log_key(key)
        session = self._parts.session(where.project, where.session)
        async with self._parts.holding(session):
            if where.path == MAIN:
                await erase_session(self._parts, session)
            else:
                with suppress(LeaseLost):
                    await flush_backlog(self._parts, session)
                await erase_log(self._parts, session, where.path)

    async def list_subkeys(self, key: SessionListSubkeysKey) -> list[str]:
        """The subpaths of a session that have entries, sorted."""
        where = log_key(key)
        session = self._parts.session(where.project, where.session)
        async with self._parts.holding(session):
            return await steadily(self._parts, session, lambda: _subpaths(session))

    async def flush(self, key: SessionKey | None = None) -> None:
        """Return when all that was appended through this store, to one session or to any, is stored.

        The SDK reports an append that failed and goes on: call this when a query is drained. `Unavailable` or
        `LeaseLost` when entries are not stored.
        """
        where = log_key(key) if key else None
        for session in [self._parts.session(where.project, where.session)] if where else self._parts.sessions():
            async with self._parts.holding(session):
                await flush_backlog(self._parts, session)
            if session.dropped:
                raise no_room(session)

    async def sweep(self) -> int:
        """Remove what nobody can load any more: expired sessions, deletions cut short, packs of appends cut short.

        Returns how many; run it once a day. Sessions in use lose nothing.
        """
        return await sweep_store(self._parts)

    async def _heads(self, project_key: str) -> list[StoreHead]:
        prefix = project_prefix(check_id("project_key", project_key))
        rows = await scan_all(self._parts.table, prefix, self._parts.clock)
        heads = (living_head(row, self._parts.clock.now()) for row in rows)
        return [head for head in heads if head and head.mtime]

    async def _load(self, session: StoredSession, path: str) -> list[Entry] | None:
        if path not in session.entries:
            return None
        content = await read_log(self._parts, session, path)
        entries = parse_lines(content, log_name(session, path))
        session.logs[path] = Log(len(content), {uuid for each in entries if (uuid := uuid_of(each))})
        if not self._parts.policy.allow_gaps:
            await self._check_holes(session, path, entries)
        return entries

    async def _check_holes(self, session: StoredSession, path: str, entries: list[Entry]) -> None:
        """A parent may lie in another log of the session; one that lies nowhere was never stored."""
        lost = lost_parents(entries, session.logs[path].uuids)
        for other in session.entries:
            if not lost:
                return
            known = await known_uuids(self._parts, session, other)
            lost = [parent for parent in lost if parent not in known]
        if lost:
            raise Corrupt(
                f"{log_name(session, path)} has a hole: entry {lost[0]} is missing, and a later one builds on it.",
                fix="Import the session from a machine that still has it, or load it with allow_gaps.",
            )


async def _subpaths(session: StoredSession) -> list[str]:
    return sorted(path for path in session.entries if path != MAIN)
