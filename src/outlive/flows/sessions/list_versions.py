"""The history of a session: its committed versions, newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import pairwise

from outlive.core.keys import SessionId
from outlive.core.ledger import LedgerLine
from outlive.core.manifests import APPEND, FILE, Entry, Manifest
from outlive.core.packs import PackName
from outlive.core.sessions import TITLE_LENGTH, Head
from outlive.errors import Corrupt, Invalid
from outlive.flows.engine import Engine
from outlive.flows.sessions.list_sessions import MAX_PAGE
from outlive.flows.sessions.walk_damaged import walk_readable
from outlive.flows.sessions.walk_history import Version, at_latest, list_packs
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_session import find_head
from outlive.flows.turn.read_ledger import read_lines
from outlive.protocols import ObjectInfo


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One version."""

    version: int
    pack: PackName
    kind: str
    """`commit` (a turn), `rewind`, `fork` or `import`."""
    at: float
    message: str
    """The start of what the user said; for other kinds what was done."""
    agent_session_id: str | None
    files: int
    files_changed: int | None
    """Against the version before; append-only files by their size. None when that one is not kept."""
    bytes_stored: int | None
    """What this version added to the object store; None when the version before is not kept."""


@dataclass(frozen=True, slots=True)
class VersionPage:
    """Some versions, newest first."""

    versions: tuple[VersionLine, ...]
    before: int | None
    """Give it back for the next page; None when there is none."""
    end: str
    """Why there is no next page: `first` (nothing is older) or `retention` (older ones are not kept); empty when there
    is one."""
    damaged: tuple[str, ...]
    """What is wrong with versions that are left out, from the newest down to the end of this page."""


async def list_versions(
    engine: Engine, stores: TenantStores, session_id: SessionId, *, before: int | None = None, limit: int = 20
) -> VersionPage:
    """The kept versions from the newest down, or from the one below `before`, `limit` at most."""
    if not 1 <= limit <= MAX_PAGE:
        raise Invalid(f"limit is {limit}.", fix=f"Ask for 1 to {MAX_PAGE} versions.")

    async def read(head: Head) -> VersionPage:
        return await _page(engine, stores, head, head.version + 1 if before is None else before, limit)

    return await at_latest(engine, stores, session_id, read)


async def _page(engine: Engine, stores: TenantStores, head: Head, before: int, limit: int) -> VersionPage:
    packs = await list_packs(engine, stores, head.session_id)
    damage: list[str] = []
    found: list[Version] = []
    async with aclosing(walk_readable(engine, stores, head, packs, damage)) as versions:
        async for version in versions:
            found += [version] if version.number < before else []
            if len(found) > limit:
                break
    turns = await _turns(engine, stores, head, damage)
    await _check_unmoved(engine, stores, head, damage)
    lines = [_line(version, older, turns, packs) for version, older in pairwise([*found, None]) if version]
    end = _end(found) if len(found) <= limit else ""
    return VersionPage(tuple(lines[:limit]), None if end else lines[limit - 1].version, end, tuple(damage))


async def _turns(
    engine: Engine, stores: TenantStores, head: Head, damage: list[str]
) -> Mapping[tuple[int, str], LedgerLine]:
    """(version, message id) -> the ledger's line; none when the ledger cannot be read."""
    try:
        return {(line.version, line.message_id): line for line in await read_lines(engine, stores, head)}
    except Corrupt as error:
        damage += [] if error.message in damage else [error.message]
        return {}


async def _check_unmoved(engine: Engine, stores: TenantStores, head: Head, damage: list[str]) -> None:
    """What looked like damage is none when the session has moved on: a sweep took away what was being read."""
    if damage and (await find_head(engine, stores, head.session_id)).version != head.version:
        raise Corrupt(damage[0])


def _end(found: Sequence[Version]) -> str:
    return "first" if not found or found[-1].previous is None else "retention"


def _line(
    version: Version,
    older: Version | None,
    turns: Mapping[tuple[int, str], LedgerLine],
    packs: Mapping[PackName, ObjectInfo],
) -> VersionLine:
    turn = turns.get((version.number, version.index.get("message_id", "")))
    first = version.previous is None
    before = older.tree if older else Manifest() if first else None
    return VersionLine(
        version=version.number,
        pack=version.ref.name,
        kind=version.kind,
        at=turn.at if turn else packs[version.ref.name].modified_at,
        message=" ".join(turn.text.split())[:TITLE_LENGTH] if turn else _deed(version),
        agent_session_id=version.agent_session_id,
        files=len(version.tree.entries),
        files_changed=None if before is None else _changed(before.entries, version.tree.entries),
        bytes_stored=None if before is None else _added(before, version.tree),
    )


def _deed(version: Version) -> str:
    origin = version.index.get("from", {})
    match version.kind:
        case "rewind":
            return f"rewound to version {origin['version']}"
        case "fork":
            return f"forked from version {origin['version']} of session {origin['session']}"
        case "import":
            return f"imported from {origin['source']}"
        case _:
            return ""


def _changed(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> int:
    return sum(_face(before.get(path)) != _face(after.get(path)) for path in before.keys() | after.keys())


def _face(entry: Entry | None) -> tuple[object, ...] | None:
    """What tells two versions of a path apart without reading it."""
    if entry is None:
        return None
    size = entry.size if entry.kind in (APPEND, FILE) else 0
    return entry.kind, entry.mode, entry.digest, entry.target, size


def _added(before: Manifest, after: Manifest) -> int:
    had = {ref.name for ref in before.packs}
    return sum(ref.size for ref in after.packs if ref.name not in had)
