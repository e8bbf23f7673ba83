"""Sessions from an archive that an export wrote, as new sessions: all of them, or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from outlive.core.keys import SessionId, SessionKey, parse_session_key
from outlive.core.ledger import PATH
from outlive.core.manifests import APPEND
from outlive.core.sessions import Head
from outlive.errors import Invalid, OutliveError
from outlive.flows.engine import Engine
from outlive.flows.progress import Progress, unwatched
from outlive.flows.sessions.create_session import create_from_files, free_mapping
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.sessions.read_archive import ArchivedSession, read_archive
from outlive.flows.sessions.write_tree import NewFile
from outlive.flows.tenant_stores import TenantStores

LEDGER_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Imported:
    """A session as it was made."""

    session_id: SessionId
    keys: tuple[str, ...]
    """Those that point at it now; a session that no key pointed at is found by its id."""
    source: str
    """What it was: the id it had in the archive, or the agent's own session id."""
    files: int
    bytes: int
    holes: Mapping[str, Sequence[str]]
    """path -> entries that a transcript lacks; empty unless holes were allowed."""


async def import_archive(
    engine: Engine,
    stores: TenantStores,
    path: Path,
    *,
    key: SessionKey | None = None,
    progress: Progress = unwatched,
) -> tuple[Imported, ...]:
    """Make a new session of each in the archive, under its own keys in this tenant, or the only one under `key`.

    The archive is read twice: nothing is written before all of it has been found valid. `AlreadyExists` names a key
    that has a session. Replies that had not been delivered stay behind: their channel belongs to the other side.
    """
    wanted = [_keys(session, stores, key) async for session in _sessions(path)]
    await _check(engine, stores, path, wanted, key)
    made: list[Imported] = []
    try:
        async with aclosing(_sessions(path)) as sessions:
            async for session in sessions:
                made.append(await _import(engine, stores, session, _keys(session, stores, key)))
                progress(len(made), len(wanted))
    except BaseException:
        await asyncio.shield(_take_back(engine, stores, made))
        raise
    return tuple(made)


async def _sessions(path: Path) -> AsyncGenerator[ArchivedSession, None]:
    """The archive's sessions, read off the event loop."""
    reading = read_archive(path)
    try:
        while (session := await asyncio.to_thread(next, reading, None)) is not None:
            yield session
    finally:
        await asyncio.to_thread(reading.close)


def _keys(session: ArchivedSession, stores: TenantStores, key: SessionKey | None) -> list[SessionKey]:
    if key is not None:
        return [key]
    return [replace(parse_session_key(text), tenant=stores.tenant) for text in session.keys]


async def _check(
    engine: Engine, stores: TenantStores, path: Path, wanted: Sequence[Sequence[SessionKey]], key: SessionKey | None
) -> None:
    if key is not None and len(wanted) != 1:
        raise Invalid(f"{path} holds {len(wanted)} sessions, the key is for one.", fix="Leave out the key.")
    keys = [each for keys in wanted for each in keys]
    if len(keys) != len(set(keys)):
        raise Invalid(f"{path} gives one session key to two sessions.", fix="Use the archive as exported.")
    for each in keys:
        await free_mapping(engine, stores, each)


async def _import(
    engine: Engine, stores: TenantStores, session: ArchivedSession, keys: Sequence[SessionKey]
) -> Imported:
    files = dict(session.files)
    if session.ledger:
        files[PATH] = NewFile(APPEND, LEDGER_MODE, session.ledger)
    head = _head(engine, stores, session, keys)
    made = await create_from_files(engine, stores, keys, head, files, source=session.name, messages=session.messages)
    sizes = [len(file.content) for file in files.values()]
    return Imported(made.session_id, tuple(map(str, keys)), session.name, len(sizes), sum(sizes), {})


def _head(engine: Engine, stores: TenantStores, session: ArchivedSession, keys: Sequence[SessionKey]) -> Head:
    """The head as it was, with another id: what was answered there is not run again here."""
    old, now, region = session.head, engine.clock.now(), engine.policy.region
    return replace(
        old,
        session_id=SessionId(engine.new_id()),
        key=str(keys[0] if keys else replace(parse_session_key(old.key), tenant=stores.tenant)),
        version=0,
        agent_session_id=session.agent_session_id,
        clean_fence=0,
        lineage=0,
        packs=(),
        outbox=(),
        updated_at=now,
        region=region,
        last_active_region=region,
    )


async def _take_back(engine: Engine, stores: TenantStores, made: Sequence[Imported]) -> None:
    for imported in made:
        with suppress(OutliveError):  # the import's own error is the one to report
            await erase_session(engine, stores, imported.session_id)
