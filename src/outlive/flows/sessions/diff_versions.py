"""What changed in the files of a session between two of its versions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff
from io import StringIO

from outlive.core.keys import SessionId
from outlive.core.manifests import APPEND, DIR, LINK, Entry
from outlive.core.packs import Pack, PackName
from outlive.core.sessions import Head
from outlive.flows.engine import Engine
from outlive.flows.sessions.walk_history import Version, at_latest, find_versions
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.read_packs import PackReader, pack_reader, read_chunks

WORK = "work/"
"""Where lines are shown: what the agent's own files say is read as the conversation."""
MAX_TEXT_BYTES = 128 * 1024
"""Above this size, on either side, a file is reported as changed without its lines."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """One path that differs."""

    path: str
    change: str
    """`added`, `removed` or `changed`."""
    before: int | None
    """Size in bytes; None where there is no such path."""
    after: int | None
    text: str | None
    """A unified diff; None when none was asked for, or when it is no small text file of the working directory."""


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """Two versions of one session, by path."""

    session_id: SessionId
    older: int
    newer: int
    changes: tuple[FileChange, ...]


async def diff_versions(
    engine: Engine, stores: TenantStores, session_id: SessionId, older: int, newer: int, *, text: bool = False
) -> VersionDiff:
    """Every path that is not the same, byte for byte; with `text`, files of the working directory line by line.

    The order of the two is the caller's: swapped, they give the opposite diff. `Invalid` names the versions there are.
    """

    async def diff(head: Head) -> VersionDiff:
        before, after = await find_versions(engine, stores, head, older, newer)
        changes = await _changes(pack_reader(engine, stores, session_id), before, after, text=text)
        return VersionDiff(session_id, older, newer, changes)

    return await at_latest(engine, stores, session_id, diff)


async def _changes(reader: PackReader, before: Version, after: Version, *, text: bool) -> tuple[FileChange, ...]:
    was, now = before.tree.entries, after.tree.entries
    suspects = {path for path in was.keys() | now.keys() if not _surely_same(was.get(path), now.get(path))}
    doubtful = {path for path in suspects if _maybe_same(was.get(path), now.get(path))}
    shown = {path for path in suspects if text and path.startswith(WORK)}
    wanted = {path for path in shown if _is_small(was.get(path)) and _is_small(now.get(path))} | doubtful
    packs = await _fetch(reader, before, after, wanted)
    found: list[FileChange] = []
    for path in sorted(suspects):
        old, new = was.get(path), now.get(path)
        contents = (_content(packs, old), _content(packs, new)) if path in wanted else None
        if path in doubtful and contents and contents[0] == contents[1]:
            continue
        lines = await asyncio.to_thread(_lines, path, *contents) if path in shown and contents else None
        found.append(_change(path, old, new, lines))
    return tuple(found)


def _surely_same(old: Entry | None, new: Entry | None) -> bool:
    if old is None or new is None or (old.kind, old.mode, old.target) != (new.kind, new.mode, new.target):
        return False
    return old.chunks == new.chunks if old.kind == APPEND else old.digest == new.digest


def _maybe_same(old: Entry | None, new: Entry | None) -> bool:
    """An append-only file has no digest: after a compaction the same bytes lie elsewhere."""
    if old is None or new is None or (old.kind, new.kind) != (APPEND, APPEND):
        return False
    return (old.mode, old.size) == (new.mode, new.size)


def _is_small(entry: Entry | None) -> bool:
    return entry is None or (entry.kind not in (LINK, DIR) and entry.size <= MAX_TEXT_BYTES)


async def _fetch(reader: PackReader, before: Version, after: Version, paths: set[str]) -> Mapping[PackName, Pack]:
    used: set[PackName] = set()
    for version in (before, after):
        entries = [version.tree.entries[path] for path in paths if path in version.tree.entries]
        used |= {chunk.pack for entry in entries for chunk in entry.chunks}
    refs = {ref.name: ref for version in (before, after) for ref in version.tree.packs if ref.name in used}
    return await reader.fetch(list(refs.values()))


def _content(packs: Mapping[PackName, Pack], entry: Entry | None) -> bytes:
    return b"".join(read_chunks(packs, entry)) if entry else b""


def _lines(path: str, old: bytes, new: bytes) -> str | None:
    if b"\0" in old + new or max(len(old), len(new)) > MAX_TEXT_BYTES:
        return None
    try:
        before, after = (StringIO(content.decode(), newline="\n").readlines() for content in (old, new))
    except UnicodeDecodeError:
        return None
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in unified_diff(before, after, f"a/{path}", f"b/{path}")
    )


def _change(path: str, old: Entry | None, new: Entry | None, text: str | None) -> FileChange:
    change = "added" if old is None else "removed" if new is None else "changed"
    return FileChange(path, change, old.size if old else None, new.size if new else None, text)
