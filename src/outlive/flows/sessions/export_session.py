"""Sessions as a standard tar archive: one, a user's, or a whole tenant's, a folder for each.

outlive-export.json         what this is
<session id>/session.json   the head, the exported version, the keys that point at it
<session id>/manifest.json  path -> kind, mode, size, digest, target
<session id>/ledger.jsonl   every turn: message, reply, cost
<session id>/messages.jsonl  the messages that were appended to it, where there are any
<session id>/tree/...       the files
<session id>/versions/N.json  manifests of the other kept versions, when asked for
"""

from __future__ import annotations

import asyncio
import json
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from outlive.core.keys import SessionId
from outlive.core.ledger import PATH
from outlive.core.manifests import DIR, LINK, Entry, Manifest
from outlive.core.packs import Pack, PackName, PackRef, Part
from outlive.core.sessions import Head, encode_head
from outlive.errors import NotFound
from outlive.flows.engine import Engine
from outlive.flows.knowledge.carry_messages import archived_messages
from outlive.flows.knowledge.message_log import read_messages
from outlive.flows.progress import Progress, unwatched
from outlive.flows.sessions.find_sessions import sessions_of_tenant, sessions_of_user
from outlive.flows.sessions.scan_mappings import scan_mappings
from outlive.flows.sessions.spool_parts import Spool, mapped, spool_in, spool_packs
from outlive.flows.sessions.walk_history import Version, at_latest, find_versions, list_packs, walk_history
from outlive.flows.sessions.write_archive import Archive, Member, new_archive
from outlive.flows.sessions.write_tree import part_of
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_session import find_head
from outlive.flows.turn.read_packs import read_chunks

SCHEMA = 1
TITLE = "outlive-export.json"
NO_VERSION = Version(0, PackRef(PackName(""), 0, "", 0), "none", Manifest({}, ()), None, None, {})
"""Of a session that has messages and no turn."""
KINDS = {LINK: tarfile.SYMTYPE, DIR: tarfile.DIRTYPE}


@dataclass(frozen=True, slots=True)
class Exported:
    """An archive as it was written."""

    path: Path
    sessions: tuple[SessionId, ...]
    files: int
    bytes: int
    """Of the files, before compression."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """All that an archive says of one session, put aside: nothing can be swept away while it is written."""

    head: Head
    version: Version
    packs: Mapping[PackName, Pack]
    ledger: Sequence[Part]
    others: tuple[Version, ...]
    messages: Part
    """Lines."""


async def export_session(
    engine: Engine,
    stores: TenantStores,
    session_id: SessionId,
    path: Path,
    *,
    version: int | None = None,
    manifests: bool = False,
    overwrite: bool = False,
    progress: Progress = unwatched,
) -> Exported:
    """Write a version (default: the newest) to `path`, which ends in `.tar` or `.tar.zst`; progress in files.

    The ledger is always today's. `Invalid` names the versions there are; an export that fails leaves no file behind.
    """
    keys = await _keys(engine, stores)
    async with new_archive(path, at=engine.clock.now(), overwrite=overwrite) as archive, spool_in(path.parent) as spool:
        loaded = await _load(engine, stores, session_id, spool, version, manifests=manifests)
        await _open(archive, engine, stores, [session_id])
        await _write(archive, loaded, keys.get(session_id, []), progress)
    sizes = [entry.size for entry in loaded.version.tree.entries.values()]
    return Exported(path, (session_id,), len(sizes), sum(sizes))


async def export_user(
    engine: Engine,
    stores: TenantStores,
    chat_id: str,
    path: Path,
    *,
    channel: str | None = None,
    manifests: bool = False,
    overwrite: bool = False,
    progress: Progress = unwatched,
) -> Exported:
    """Write the newest version of every session of this chat id; progress in sessions."""
    ids = await sessions_of_user(engine, stores, chat_id, channel)
    return await _export(engine, stores, ids, path, manifests=manifests, overwrite=overwrite, progress=progress)


async def export_tenant(
    engine: Engine,
    stores: TenantStores,
    path: Path,
    *,
    manifests: bool = False,
    overwrite: bool = False,
    progress: Progress = unwatched,
) -> Exported:
    """Write the newest version of every session of the tenant; progress in sessions."""
    ids = await sessions_of_tenant(engine, stores)
    return await _export(engine, stores, ids, path, manifests=manifests, overwrite=overwrite, progress=progress)


async def _export(
    engine: Engine,
    stores: TenantStores,
    ids: Sequence[SessionId],
    path: Path,
    *,
    manifests: bool,
    overwrite: bool,
    progress: Progress,
) -> Exported:
    """Sessions that have expired, or have neither a version nor a message, are left out; a damaged one fails it all."""
    keys = await _keys(engine, stores)
    wanted = [session_id for session_id in ids if await _has_something(engine, stores, session_id)]
    sizes: list[int] = []
    async with new_archive(path, at=engine.clock.now(), overwrite=overwrite) as archive:
        await _open(archive, engine, stores, wanted)
        for done, session_id in enumerate(wanted, start=1):
            async with spool_in(path.parent) as spool:
                loaded = await _load(engine, stores, session_id, spool, manifests=manifests)
                await _write(archive, loaded, keys.get(session_id, []), unwatched)
            sizes += [entry.size for entry in loaded.version.tree.entries.values()]
            progress(done, len(wanted))
    return Exported(path, tuple(wanted), len(sizes), sum(sizes))


async def _has_something(engine: Engine, stores: TenantStores, session_id: SessionId) -> bool:
    try:
        if (await find_head(engine, stores, session_id)).version > 0:
            return True
    except NotFound:
        return False
    return bool((await read_messages(engine, stores, session_id, limit=1)).messages)


async def _keys(engine: Engine, stores: TenantStores) -> dict[SessionId, list[str]]:
    keys: dict[SessionId, list[str]] = {}
    for each in await scan_mappings(engine, stores):
        if each.mapping.session_id:
            keys.setdefault(each.mapping.session_id, []).append(each.mapping.session_key)
    return keys


# ----------------------------------------------------------------------------------------------- reading


async def _load(
    engine: Engine,
    stores: TenantStores,
    session_id: SessionId,
    spool: Spool,
    number: int | None = None,
    *,
    manifests: bool,
) -> Loaded:
    async def load(head: Head) -> Loaded:
        messages = await _spool_messages(engine, stores, session_id, spool)
        if head.version == 0 and messages.stop > messages.start and not number:
            return Loaded(head, NO_VERSION, {}, (), (), spool.view()[messages])
        newest, version = await find_versions(
            engine, stores, head, head.version, head.version if number is None else number
        )
        others = await _others(engine, stores, head, version) if manifests else ()
        ledger = newest.tree.entries.get(PATH)
        used = {chunk.pack for chunk in ledger.chunks} if ledger else set()
        refs = dict.fromkeys([*version.tree.packs, *(ref for ref in newest.tree.packs if ref.name in used)])
        packs = mapped(spool, await spool_packs(engine, stores, session_id, list(refs), spool))
        said = read_chunks(packs, ledger) if ledger else ()
        return Loaded(head, version, packs, said, others, spool.view()[messages])

    return await at_latest(engine, stores, session_id, load)


async def _spool_messages(engine: Engine, stores: TenantStores, session_id: SessionId, spool: Spool) -> slice:
    place = await spool.add([])
    async for line in archived_messages(engine, stores, session_id):
        place = slice(place.start, (await spool.add([line])).stop)
    return place


async def _others(engine: Engine, stores: TenantStores, head: Head, version: Version) -> tuple[Version, ...]:
    packs = await list_packs(engine, stores, head.session_id)
    async with aclosing(walk_history(engine, stores, head, packs)) as versions:
        return tuple([each async for each in versions if each.number != version.number])


# ----------------------------------------------------------------------------------------------- writing


async def _open(archive: Archive, engine: Engine, stores: TenantStores, ids: Sequence[SessionId]) -> None:
    fields = {"schema": SCHEMA, "tenant": stores.tenant, "exported_at": engine.clock.now(), "sessions": list(ids)}
    await archive.add(Member(TITLE, parts=[_json(fields)]))


async def _write(archive: Archive, loaded: Loaded, keys: Sequence[str], progress: Progress) -> None:
    folder, entries = loaded.head.session_id, loaded.version.tree.entries
    files = {path: entry for path, entry in sorted(entries.items()) if path != PATH}
    manifest = await asyncio.to_thread(_manifest, loaded, files)
    await archive.add(Member(f"{folder}/session.json", parts=[_session(loaded, keys)]))
    await archive.add(Member(f"{folder}/manifest.json", parts=[_json(manifest)]))
    await archive.add(Member(f"{folder}/ledger.jsonl", parts=loaded.ledger))
    if loaded.messages:
        await archive.add(Member(f"{folder}/messages.jsonl", parts=[loaded.messages]))
    for done, (path, entry) in enumerate(files.items(), start=1):
        kind = KINDS.get(entry.kind, tarfile.REGTYPE)
        parts = _parts(loaded, entry)
        await archive.add(Member(f"{folder}/tree/{path}", kind, entry.mode, parts, entry.target))
        progress(done, len(files))
    for other in loaded.others:
        faces = {path: _face(entry, entry.digest) for path, entry in other.tree.entries.items()}
        await archive.add(Member(f"{folder}/versions/{other.number}.json", parts=[_json(faces)]))


def _session(loaded: Loaded, keys: Sequence[str]) -> bytes:
    return _json(
        {
            "head": json.loads(encode_head(loaded.head)),
            "version": loaded.version.number,
            "agent_session_id": loaded.version.agent_session_id,
            "keys": list(keys),
        }
    )


def _manifest(loaded: Loaded, files: Mapping[str, Entry]) -> dict[str, Any]:
    """What the tree holds, every file with the digest of its bytes."""
    return {path: _face(entry, _digest(_parts(loaded, entry))) for path, entry in files.items()}


def _face(entry: Entry, digest: str) -> dict[str, Any]:
    face = {"kind": entry.kind, "mode": entry.mode, "size": entry.size, "digest": digest}
    return face | ({"target": entry.target} if entry.target else {})


def _digest(parts: Sequence[Part]) -> str:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _parts(loaded: Loaded, entry: Entry) -> list[Part]:
    return [part_of(loaded.packs[chunk.pack], chunk) for chunk in entry.chunks]


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"
